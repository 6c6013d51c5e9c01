"""The engines: an image gives its row once, the same whoever computes it, and a failed conversion has a way out."""

from __future__ import annotations

import datetime
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from headstart.export.convert_process import is_lack_of_room
from headstart.features import converted_graphs, engines
from headstart.features import part_a as extractor
from headstart.features.backbones import backbones, efficientnet_lite, stages
from headstart.features.backbones import torch_checkpoint as checkpoint
from headstart.features.backbones.backbones import BACKBONES, Backbone
from headstart.features.converted_graphs import note_conversion_failure
from headstart.features.engines import KerasEngine, OpenVINOEngine, engine_key, make_engine, preparation
from headstart.features.part_a import PartA
from headstart.foundation.cache.cache_folder import cache_folder
from headstart.foundation.errors import ExportError, StackError
from headstart.foundation.fingerprint import settings_digest
from headstart.foundation.machine import instruction_set

# Keras 3.15 on TensorFlow asks NumPy 2 for arrays in the way of NumPy 1.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")

Array = np.ndarray[Any, Any]

LITE = PartA("efficientnet_lite0", "grid2")
TINY = PartA("tiny", "avg_max")
SIZE = 16


def tiny_network(image: Any, weights: Path | None, load: bool) -> Any:
    """A convolution with fixed weights, that only Keras can build."""
    convolution = keras.layers.Conv2D(4, 3, strides=2, padding="same", activation="relu", name="convolution")
    x = convolution(keras.layers.Rescaling(1 / 255)(image))
    convolution.set_weights([np.random.default_rng(5).normal(size=(3, 3, 3, 4)), np.zeros(4)])
    return x


@pytest.fixture(autouse=True)
def on_a_cpu(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No GPU, a cache of its own, and a backbone of a user's in the table."""
    monkeypatch.setattr(engines, "has_gpu", lambda: False)
    monkeypatch.setenv("HEADSTART_CACHE", str(tmp_path / "cache"))
    card = Backbone("tiny", SIZE, tiny_network, lambda _: "seed 5", "this test", "Apache-2.0")
    monkeypatch.setitem(BACKBONES, "tiny", card)


@pytest.fixture(scope="module")
def lite() -> OpenVINOEngine:
    """Lite0 on OpenVINO."""
    graph = LITE.graph()
    assert graph is not None
    return OpenVINOEngine(graph, "a test")


def images(count: int, size: int) -> Array:
    """Random images of 0..255."""
    return np.random.default_rng(size).integers(0, 256, (count, size, size, 3), dtype=np.uint8)


def in_order(results: Iterator[tuple[int, Array]], count: int) -> Array:
    """Rows by number; each number comes once."""
    pairs = list(results)
    assert sorted(i for i, _ in pairs) == list(range(count))
    return np.stack([row for _, row in sorted(pairs, key=lambda pair: pair[0])])


@pytest.mark.parametrize("count", [0, 1, 5])
def test_openvino_engine_returns_each_row_once(lite: OpenVINOEngine, count: int) -> None:
    """There are as many rows as images, and each equals the row that its image gives alone."""
    batch = images(5, 224)[:count]
    pairs = dict(lite.run(enumerate(batch)))
    assert sorted(pairs) == list(range(count))
    for i, row in pairs.items():
        ((number, alone),) = lite.run(iter([(9, batch[i])]))
        assert number == 9
        assert row.dtype == np.float32
        np.testing.assert_array_equal(row, alone)


def test_both_engines_give_the_same_rows(lite: OpenVINOEngine) -> None:
    """Keras and OpenVINO agree to 1e-4 on Lite0 as it is cut by default."""
    batch = images(3, 224)
    ours, theirs = (in_order(engine.run(enumerate(batch)), 3) for engine in (lite, KerasEngine(LITE, "a test")))
    np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-4 * float(theirs.std()))
    assert theirs.std() > 0


@pytest.mark.parametrize("count", [0, 1, 32, 33])
def test_keras_engine_drops_the_padding_of_its_last_batch(count: int) -> None:
    """With batches of 32: one image, a full batch, and one more return their own rows and numbers."""
    batch = images(33, SIZE)[:count]
    engine = KerasEngine(TINY, "a test")
    found = dict(engine.run((i + 100, picture) for i, picture in enumerate(batch)))
    assert sorted(found) == list(range(100, 100 + count))
    if count:
        expected = keras.Model(*TINY.tensors()[:2]).predict(batch.astype(np.float32), verbose=0)
        np.testing.assert_allclose(np.stack([found[i + 100] for i in range(count)]), expected, rtol=1e-5, atol=1e-6)


def test_engine_passes_on_errors_of_the_reader(lite: OpenVINOEngine) -> None:
    """An error in the source of images is raised to the caller, and the engine works afterwards."""

    def broken() -> Iterator[tuple[int, Array]]:
        yield 0, images(1, 224)[0]
        raise RuntimeError("the reader broke")

    with pytest.raises(RuntimeError, match="the reader broke"):
        list(lite.run(broken()))
    assert len(list(lite.run(enumerate(images(2, 224))))) == 2


def test_engine_can_be_stopped_early(lite: OpenVINOEngine) -> None:
    """A caller that stops after one row ends the running requests, and the engine works afterwards."""
    rows = lite.run(enumerate(images(12, 224)))
    next(rows)
    rows.close()  # type: ignore[attr-defined]
    assert len(list(lite.run(enumerate(images(2, 224))))) == 2


def test_make_engine_uses_openvino_for_lite_networks() -> None:
    """On a CPU Lite0 runs on OpenVINO, and the reason says why."""
    engine = make_engine(LITE)
    assert engine.name == "openvino"
    assert "no GPU" in engine.reason
    assert engine_key(LITE)["engine"] == "openvino"


def test_make_engine_uses_keras_on_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a GPU the Keras backend computes, and the cache key contains it."""
    monkeypatch.setattr(engines, "has_gpu", lambda: True)
    engine = make_engine(TINY)
    assert engine.name == keras.backend.backend()
    assert engine.reason == "a GPU is present"
    assert engine_key(TINY)["engine"] == "keras"
    assert engine_key(TINY)["backend"] == keras.backend.backend()


def test_user_backbone_is_converted_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A user's backbone is converted to OpenVINO by a child process; the second time, the graph is on disk."""
    batch = images(3, SIZE)
    engine = make_engine(TINY)
    assert engine.name == "openvino", engine.reason
    assert "converted" in engine.reason
    expected = keras.Model(*TINY.tensors()[:2]).predict(batch.astype(np.float32), verbose=0)
    np.testing.assert_allclose(in_order(engine.run(enumerate(batch)), 3), expected, rtol=1e-4, atol=1e-5)

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("built again")

    monkeypatch.setattr(PartA, "tensors", refuse)
    again = make_engine(TINY)
    np.testing.assert_array_equal(in_order(again.run(enumerate(batch)), 3), in_order(engine.run(enumerate(batch)), 3))


@pytest.mark.parametrize("suffix", [".xml", ".bin", ".json"])
def test_damaged_cached_graph_is_converted_again(suffix: str) -> None:
    """The rows are the same as before, and the damage is reported; the third time all is well again."""
    batch = images(3, SIZE)
    rows = in_order(make_engine(TINY).run(enumerate(batch)), 3)
    (file,) = (cache_folder() / "graphs").glob(f"*{suffix}")
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 4
    file.write_bytes(content)
    with pytest.warns(UserWarning, match="the cached graph of tiny-avg_max is damaged and will be converted again"):
        again = make_engine(TINY)
    np.testing.assert_array_equal(in_order(again.run(enumerate(batch)), 3), rows)
    np.testing.assert_array_equal(in_order(make_engine(TINY).run(enumerate(batch)), 3), rows)


def test_compiled_graphs_are_not_cached() -> None:
    """OpenVINO's files of compiled graphs have no checksum: a flipped bit in one gave wrong rows."""
    make_engine(LITE)
    make_engine(TINY)
    assert {path.suffix for path in cache_folder().rglob("*") if path.is_file()} == {".xml", ".bin", ".json"}


def fail_with(error: Exception) -> Callable[[PartA], Path]:
    """A conversion that ends with an error."""

    def fail(_: PartA) -> Path:
        attempts.append(error)
        raise error

    attempts.clear()
    return fail


attempts: list[Exception] = []


@pytest.mark.parametrize(
    "error",
    [
        ExportError("H403", "failed", received="the operation Foo\ud800 is not known", expected="", advice=""),
        RuntimeError("the operation Foo is not known\nat line 5"),
    ],
    ids=["converter", "OpenVINO"],
)
def test_failed_conversion_is_remembered_and_keras_computes(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next process does not try again, and uses the key of Keras's rows; the note has reason, versions and date."""
    monkeypatch.setattr(engines, "converted_graph", fail_with(error))
    assert engine_key(TINY)["engine"] == "openvino"
    for _ in range(2):
        engine = make_engine(TINY)
        assert engine.name == keras.backend.backend()
        assert "the operation Foo" in engine.reason
        assert engine_key(TINY)["engine"] == "keras"
    assert len(attempts) == 1
    assert len(list(engine.run(enumerate(images(2, SIZE))))) == 2
    (note,) = (cache_folder() / "graphs").glob("*.failed")
    told = json.loads(note.read_text("utf-8"))
    assert told["versions"] == {name: version(name) for name in ("keras", "tensorflow", "openvino", "tf2onnx")}
    assert datetime.datetime.fromisoformat(told["date"]).date() == datetime.datetime.now(datetime.UTC).date()


@pytest.mark.parametrize(
    "error",
    [
        ExportError("H406", "stopped", received="convert.py was killed by signal 9", expected="", advice=""),
        StackError("H601", "cannot write to disk", received="no room", expected="", advice=""),
        RuntimeError("Exception from src/core: std::bad_alloc"),
        MemoryError(),
    ],
    ids=["killed", "disk", "memory of OpenVINO", "memory"],
)
def test_stopped_conversion_is_tried_again(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    """A kill, a time limit, a full disk and a lack of memory say nothing about the network."""
    monkeypatch.setattr(engines, "converted_graph", fail_with(error))
    for _ in range(2):
        with pytest.raises(type(error)):
            make_engine(TINY)
    assert len(attempts) == 2
    assert engine_key(TINY)["engine"] == "openvino"


@pytest.mark.parametrize(
    ("error", "is_lack"),
    [
        (MemoryError(), True),
        (OSError(28, "No space left on device"), True),
        (RuntimeError("std::bad_alloc"), True),
        (RuntimeError("OOM when allocating: ResourceExhaustedError"), True),
        (RuntimeError("this memory format is not supported"), False),
        (NotImplementedError("the operation Foo is not known"), False),
        (ValueError(), False),
    ],
)
def test_lack_of_memory_or_disk_is_recognised(error: Exception, is_lack: bool) -> None:
    """By the type of the error, or by the text of libraries without an error type of their own."""
    assert is_lack_of_room(error) == is_lack


@pytest.mark.parametrize("what", ["versions", "code", "damage"])
def test_failed_conversion_is_tried_again_after_a_change(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With another version of a converter, other code of the network, or an unreadable note."""
    note_conversion_failure(TINY, "not known")
    assert engine_key(TINY)["engine"] == "keras"
    if what == "versions":
        monkeypatch.setattr(converted_graphs, "converter_versions", lambda: {"keras": "4"})
    elif what == "code":
        monkeypatch.setattr(converted_graphs, "network_code", lambda _: "other")
    else:
        (note,) = (cache_folder() / "graphs").glob("*.failed")
        note.write_text("{")
    assert engine_key(TINY)["engine"] == "openvino"


def test_engine_key_contains_runtime_version_and_instructions() -> None:
    """The key is JSON, the same each time, and changes with the instruction set."""
    key = engine_key(LITE)
    assert set(key) == {"engine", "version", "instructions", "network_code"}
    assert engine_key(TINY)["converter"] == {name: version(name) for name in ("keras", "tensorflow", "openvino", "tf2onnx")}
    assert key["instructions"] == instruction_set() != ""
    assert settings_digest(**key) == settings_digest(**engine_key(LITE))
    assert settings_digest(**key) != settings_digest(**{**key, "instructions": "another"})


@pytest.mark.parametrize("module", [backbones, checkpoint, efficientnet_lite, extractor, stages])
def test_engine_key_depends_on_the_code_of_part_a(module: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A changed line in any module that builds Part A changes the key, so that older rows are not used."""
    before = [engine_key(part)["network_code"] for part in (LITE, TINY)]
    changed = tmp_path / "changed.py"
    changed.write_bytes(Path(module.__file__).read_bytes() + b"# changed")
    monkeypatch.setattr(module, "__file__", str(changed))
    after = [engine_key(part)["network_code"] for part in (LITE, TINY)]
    assert all(one != other for one, other in zip(before, after, strict=True))


def test_engine_key_depends_on_the_code_of_a_user_network(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The key contains the file of a user's network, or the code of one defined interactively."""

    def typed(text: str) -> object:
        names: dict[str, Any] = {"__name__": "__main__"}
        exec(text, names)
        names["network"].__module__ = "no module"
        monkeypatch.setitem(BACKBONES, "tiny", replace(BACKBONES["tiny"], network=names["network"]))
        return engine_key(TINY)["network_code"]

    first, second = typed("def network(image): return image"), typed("def network(image): return image * 2")
    assert first != second == typed("def network(image): return image * 2")


def test_engine_key_contains_the_name_of_the_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two GPUs of one backend may round differently, so their rows are stored separately."""
    monkeypatch.setattr(engines, "has_gpu", lambda: True)
    keys = []
    for name in ("NVIDIA H100 80GB HBM3", "Tesla T4"):
        monkeypatch.setattr(engines, "gpu_name", lambda name=name: name)
        keys.append(engine_key(LITE))
        assert keys[-1]["device"] == name
    assert settings_digest(**keys[0]) != settings_digest(**keys[1])


def test_engine_key_needs_no_heavy_import() -> None:
    """A process that finds all rows in the store imports neither Keras nor OpenVINO."""
    code = (
        "import sys; from headstart.features.engines import engine_key; from headstart.features.part_a import PartA;"
        "engine_key(PartA('efficientnet_lite0'));"
        "sys.exit(sum(name in sys.modules for name in ('keras', 'tensorflow', 'openvino')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    ("part", "words"),
    [
        (PartA("pixels"), "starting to decode"),
        (PartA("efficientnet_lite0"), "loading the backbone"),
        (PartA("MobileNetV2"), "converting the backbone to OpenVINO, which is done once"),
    ],
    ids=lambda value: value.name if isinstance(value, PartA) else "",
)
def test_preparation_names_what_takes_time_before_the_first_row(part: PartA, words: str) -> None:
    """A backbone of Keras has to be converted, as long as no conversion of it is in the cache."""
    assert preparation(part) == words
