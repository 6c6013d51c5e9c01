"""Read the tensors of an old-style PyTorch checkpoint, without PyTorch and without executing pickled code.

An old-style ``.pth`` file consists of five pickles (magic number, protocol, byte sizes, tensors by name, storage keys),
followed by each storage as its number of elements and its values. Only the names that such a file needs are unpickled.
"""

from __future__ import annotations

import collections
import math
import pickle
import struct
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from headstart.foundation.errors import BackboneError

__all__ = ["read_checkpoint"]

_MAGIC = 0x1950A86A20F9469CFC6C
_STORAGES = {"FloatStorage": np.dtype("<f4"), "LongStorage": np.dtype("<i8")}


class _Tensor(NamedTuple):
    """A view into a storage; offset and strides count elements."""

    storage: str
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def read_checkpoint(path: Path) -> dict[str, np.ndarray[Any, Any]]:
    """Read the named tensors of an old-style PyTorch checkpoint as contiguous arrays.

    Raises:
        BackboneError: The file is missing, is not such a checkpoint, or would run code when unpickled (H203).
    """
    try:
        with path.open("rb") as file:
            if _Unpickler(file).load() != _MAGIC:
                raise ValueError("the magic number is not PyTorch's")
            _Unpickler(file).load()  # protocol
            _Unpickler(file).load()  # sizes of C types; the storages below are little-endian with fixed widths
            tensors = _Unpickler(file)
            named = tensors.load()
            storages = {key: _read_storage(file, tensors.dtypes[key]) for key in _Unpickler(file).load()}
        return {str(name): _as_array(tensor, storages[tensor.storage]) for name, tensor in named.items()}
    except Exception as error:
        raise BackboneError(
            "H203",
            "the weights cannot be read",
            received=f"{path.name}: {type(error).__name__}: {error}",
            expected="an old-style PyTorch file of float tensors",
            advice="install the weights again: pip install --force-reinstall headstart",
        ) from error


class _Unpickler(pickle.Unpickler):
    """Unpickle ordered dictionaries and descriptions of tensors only, so that no code can run."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__(file)
        self.dtypes: dict[str, np.dtype[Any]] = {}

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return collections.OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return lambda storage, offset, shape, strides, *_: _Tensor(storage, offset, shape, strides)
        if module == "torch" and name in _STORAGES:
            return _STORAGES[name]
        raise pickle.UnpicklingError(f"{module}.{name} is not allowed in a weights file")

    def persistent_load(self, pid: Any) -> str:
        _, dtype, key, _, _, _ = pid
        self.dtypes[key] = dtype
        return str(key)


def _read_storage(file: BinaryIO, dtype: np.dtype[Any]) -> np.ndarray[Any, Any]:
    (size,) = struct.unpack("<q", file.read(8))
    values = np.frombuffer(file.read(size * dtype.itemsize), dtype)
    if len(values) != size:
        raise ValueError("the file ends early")
    return values


def _as_array(tensor: _Tensor, storage: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    pairs = list(zip(tensor.shape, tensor.strides, strict=True))
    last = tensor.offset + sum((n - 1) * step for n, step in pairs)
    is_inside = tensor.offset >= 0 and all(n > 0 and step >= 0 for n, step in pairs) and last < len(storage)
    if not is_inside or math.prod(tensor.shape) > len(storage):
        raise ValueError("a tensor that reaches past its storage")
    steps = tuple(step * storage.itemsize for step in tensor.strides)
    return np.lib.stride_tricks.as_strided(storage[tensor.offset :], tensor.shape, steps, writeable=False).copy()
