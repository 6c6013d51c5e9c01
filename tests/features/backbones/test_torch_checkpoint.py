"""The checkpoint reader: tensors come out as they went in, and no file makes it run code or read past its end."""

from __future__ import annotations

import collections
import contextlib
import io
import pickle
import struct
import sys
import types
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headstart.features.backbones.torch_checkpoint import read_checkpoint
from headstart.foundation.errors import BackboneError

Array = np.ndarray[Any, Any]

MAGIC = 0x1950A86A20F9469CFC6C


class View(NamedTuple):
    """A tensor as the file describes it: a view of a storage, counted in elements."""

    key: str
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


class Global:
    """A name that the pickle asks for; pickled without looking it up."""

    def __init__(self, module: str, name: str) -> None:
        self.module, self.name = module, name


class Storage:
    """Pickled as PyTorch does: a persistent id of type, key, place, size."""

    def __init__(self, kind: str, key: str, size: int) -> None:
        self.id = ("storage", getattr(sys.modules["torch"], kind), key, "cpu", size, None)


class Pickler(pickle._Pickler):  # type: ignore[name-defined]  # the one in Python lets a class be saved by its name alone
    """Writes storages as persistent ids."""

    def persistent_id(self, value: Any) -> Any:
        """The id of a storage; None for everything else."""
        return value.id if isinstance(value, Storage) else None


def rebuild(*_: Any) -> None:
    """Stands for ``torch._utils._rebuild_tensor_v2``; only its name is written."""


@pytest.fixture(scope="module", autouse=True)
def torch_names() -> Iterator[None]:
    """Empty modules that bear PyTorch's names while files are written: a pickle writes names, and checks them."""
    torch, utils = types.ModuleType("torch"), types.ModuleType("torch._utils")
    for kind in ("FloatStorage", "LongStorage"):
        setattr(torch, kind, type(kind, (), {"__module__": "torch"}))
    rebuild.__module__, rebuild.__qualname__, rebuild.__name__ = (
        utils.__name__,
        "_rebuild_tensor_v2",
        "_rebuild_tensor_v2",
    )
    utils._rebuild_tensor_v2 = rebuild  # type: ignore[attr-defined]
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "torch", torch)
        patch.setitem(sys.modules, "torch._utils", utils)
        yield


class Tensor:
    """Pickled as a call of ``_rebuild_tensor_v2``."""

    def __init__(self, view: View, storage: Storage) -> None:
        self.arguments = (storage, view.offset, view.shape, view.strides, False, collections.OrderedDict())

    def __reduce__(self) -> tuple[Any, ...]:
        return rebuild, self.arguments


def checkpoint(views: dict[str, View], storages: dict[str, Array]) -> bytes:
    """An old-style PyTorch file, byte by byte."""
    file = io.BytesIO()
    kinds = {"f": "FloatStorage", "i": "LongStorage"}
    handles = {key: Storage(kinds[values.dtype.kind], key, len(values)) for key, values in storages.items()}
    named = collections.OrderedDict((name, Tensor(view, handles[view.key])) for name, view in views.items())
    for value in (MAGIC, 1001, {"little_endian": True}, named, list(storages)):
        Pickler(file, 2).dump(value)
    for values in storages.values():
        file.write(struct.pack("<q", len(values)) + values.tobytes())
    return file.getvalue()


def contiguous(array: Array, key: str) -> View:
    """The view of a whole array in row order."""
    return View(key, 0, array.shape, tuple(step // array.itemsize for step in array.strides))


def read(folder: Path, data: bytes) -> dict[str, Array]:
    """Write the bytes and read them."""
    path = folder / "weights.pth"
    path.write_bytes(data)
    return read_checkpoint(path)


def refused(folder: Path, data: bytes) -> str:
    """What the file is refused with."""
    with pytest.raises(BackboneError) as caught:
        read(folder, data)
    assert caught.value.code == "H203"
    return str(caught.value)


@pytest.fixture(scope="module")
def kernel() -> Array:
    """A small convolution kernel."""
    return np.arange(24, dtype="<f4").reshape(2, 3, 2, 2)


@pytest.fixture(scope="module")
def sound(kernel: Array) -> bytes:
    """A whole file of a kernel and a counter."""
    steps = np.array([7], "<i8")
    views = {"conv.weight": contiguous(kernel, "0"), "bn.num_batches_tracked": View("1", 0, (), ())}
    return checkpoint(views, {"0": kernel.ravel(), "1": steps})


def test_read_checkpoint_restores_tensors(tmp_path: Path, kernel: Array, sound: bytes) -> None:
    """Names, shapes, types and values are kept, including scalars."""
    tensors = read(tmp_path, sound)
    assert list(tensors) == ["conv.weight", "bn.num_batches_tracked"]
    np.testing.assert_array_equal(tensors["conv.weight"], kernel)
    assert tensors["bn.num_batches_tracked"].shape == ()
    assert tensors["bn.num_batches_tracked"] == 7
    assert tensors["conv.weight"].dtype == np.float32
    assert tensors["bn.num_batches_tracked"].dtype == np.int64


def test_read_checkpoint_applies_strides_and_offsets(tmp_path: Path) -> None:
    """A transposed view and a slice of a shared storage are read as PyTorch shows them, and are contiguous."""
    values = np.arange(12, dtype="<f4")
    views = {"transposed": View("0", 0, (4, 3), (1, 4)), "slice": View("0", 5, (3,), (2,))}
    tensors = read(tmp_path, checkpoint(views, {"0": values}))
    np.testing.assert_array_equal(tensors["transposed"], values.reshape(3, 4).T)
    np.testing.assert_array_equal(tensors["slice"], [5, 7, 9])
    assert tensors["transposed"].flags.c_contiguous


@given(axes=st.permutations(range(3)), shape=st.tuples(*[st.integers(1, 4)] * 3), offset=st.integers(0, 3))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_read_checkpoint_handles_every_permutation_of_axes(
    tmp_path: Path, axes: Sequence[int], shape: tuple[int, int, int], offset: int
) -> None:
    """Whatever the memory order of a tensor, each value has its index."""
    storage = np.arange(offset + np.prod(shape), dtype="<f4")
    array = storage[offset:].reshape(shape).transpose(axes)
    view = View("0", offset, array.shape, tuple(step // 4 for step in array.strides))
    np.testing.assert_array_equal(read(tmp_path, checkpoint({"w": view}, {"0": storage}))["w"], array)


class Evil:
    """Pickled as a call of ``os.system``."""

    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> tuple[Any, ...]:
        import os

        return os.system, (self.command,)


@pytest.mark.parametrize("position", range(5))
def test_read_checkpoint_runs_no_code(tmp_path: Path, position: int) -> None:
    """A call of ``os.system`` in any of the five pickles is rejected by name, and the command is not run."""
    witness = tmp_path / "ran"
    parts: list[Any] = [MAGIC, 1001, {}, collections.OrderedDict(), []]
    parts[position] = Evil(f"touch {witness}")
    text = refused(tmp_path, b"".join(pickle.dumps(part, 2) for part in parts))
    assert "system is not allowed in a weights file" in text
    assert not witness.exists()


@pytest.mark.parametrize(
    "name",
    ["builtins eval", "builtins getattr", "numpy.core.multiarray _reconstruct", "torch load", "collections deque"],
)
def test_read_checkpoint_allows_only_the_names_it_needs(tmp_path: Path, name: str) -> None:
    """Names that look harmless are rejected too, even if they are never called."""
    module, attribute = name.split()
    parts = [pickle.dumps(part, 2) for part in (MAGIC, 1001, {})]
    refused(tmp_path, b"".join([*parts, f"c{module}\n{attribute}\n.".encode()]))


def test_read_checkpoint_rejects_a_truncated_file(tmp_path: Path, sound: bytes) -> None:
    """No prefix of a valid file is read as a shorter one."""
    for length in range(len(sound)):
        refused(tmp_path, sound[:length])


def test_read_checkpoint_rejects_other_files(tmp_path: Path) -> None:
    """H203 for an empty file, text, a ZIP (as newer PyTorch writes), another pickle and a missing file."""
    for data in (b"", b"weights", b"PK\x03\x04" + bytes(40), pickle.dumps({"a": 1})):
        refused(tmp_path, data)
    with pytest.raises(BackboneError, match="H203"):
        read_checkpoint(tmp_path / "none.pth")


@pytest.mark.parametrize(
    "view",
    [
        View("0", 0, (5,), (1,)),
        View("0", 3, (2,), (1,)),
        View("0", 0, (2, 2), (3, 1)),
        View("0", -1, (2,), (1,)),
        View("0", 0, (2,), (-1,)),
        View("0", 0, (2, 2), (1000, -1000)),
        View("0", 0, (-1,), (1,)),
        View("0", 0, (2,), (1, 1)),
        View("0", 0, (1 << 60,), (0,)),
    ],
    ids=["long", "offset", "strides", "before", "backwards", "there-and-back", "negative", "ragged", "boundless"],
)
def test_read_checkpoint_rejects_a_tensor_outside_its_storage(tmp_path: Path, view: View) -> None:
    """A view that exceeds either end of its four values, or repeats them endlessly, is rejected."""
    refused(tmp_path, checkpoint({"w": view}, {"0": np.arange(4, dtype="<f4")}))


@pytest.mark.parametrize("value", [[1, 2], {"a": 3}, None], ids=["list", "numbers", "nothing"])
def test_read_checkpoint_rejects_other_content(tmp_path: Path, value: object) -> None:
    """A well-formed file that does not contain named tensors gives H203 and no traceback."""
    refused(tmp_path, b"".join(pickle.dumps(part, 2) for part in (MAGIC, 1001, {}, value, [])))


@given(data=st.data())
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_read_checkpoint_with_a_changed_byte_reads_or_rejects(tmp_path: Path, sound: bytes, data: st.DataObject) -> None:
    """Whichever byte is flipped, the result is a dictionary of arrays or H203."""
    position = data.draw(st.integers(0, len(sound) - 1))
    value = data.draw(st.integers(0, 255))
    changed = sound[:position] + bytes([value]) + sound[position + 1 :]
    with contextlib.suppress(BackboneError):
        assert all(isinstance(array, np.ndarray) for array in read(tmp_path, changed).values())
