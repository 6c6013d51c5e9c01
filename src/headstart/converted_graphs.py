"""Part A: graphs that were converted from Keras and kept, with their digests, and notes of conversions that failed."""

from __future__ import annotations

import datetime
import marshal
import sys
import warnings
from collections.abc import Callable
from functools import lru_cache, partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from headstart import backbones, checkpoint, efficientnet_lite, extractor, stages
from headstart.cachefolder import private_folder
from headstart.conversion import staged, write_engine_graph
from headstart.errors import RunError
from headstart.extractor import POOLINGS, PartA
from headstart.fingerprint import bytes_digest, file_digest, settings_digest
from headstart.runfolder import read_json, replacing, write_json

__all__ = [
    "conversion_failure",
    "converted_graph",
    "converter_versions",
    "network_code",
    "note_failure",
]

_CONVERTERS = ("keras", "tensorflow", "openvino")


def converted_graph(part: PartA) -> Path:
    """The graph of a network that only Keras can build, converted once and kept.

    It is held against the digests that were noted when it was written. One that differs is converted again, with a
    ``UserWarning``.

    Raises:
        ExportError: The conversion failed (H403), or was stopped (H406).
        StackError: The disk refuses a write (H601).
    """
    graph = _file(part, ".xml")
    note = graph.with_suffix(".json")
    if not note.exists() or not _is_whole(graph, note):
        if note.exists():
            warnings.warn(f"the stored graph of {part.name} was damaged, and is converted again", stacklevel=2)
        import keras

        tensors = part.tensors()
        with staged(graph.parent) as scratch:  # another process may be converting the same network
            with replacing(scratch / "part_a.keras") as saved:
                keras.Model(tensors.image, tensors.row).save(saved)
            write_engine_graph(scratch / "part_a.keras", graph)
        write_json(note, _digests(graph))
    for file in (graph, graph.with_suffix(".bin"), note):
        file.touch()  # the cache is pruned by last use
    return graph


def conversion_failure(part: PartA) -> str:
    """Why a network could not be converted here by the versions that are installed; empty if nothing is known of that."""
    if all(card.graph is not None for card in part.cards):
        return ""
    try:
        return str(read_json(_file(part, ".failed"))["reason"])
    except (RunError, KeyError, TypeError):  # no note, or none that can be read: the conversion is tried again
        return ""


def note_failure(part: PartA, reason: str) -> None:
    """Note that the converter itself failed, so that no process tries again until a version changes."""
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    text = reason.encode("utf-8", "backslashreplace").decode("utf-8")
    note = {"reason": text or "no reason was given", "date": now, "versions": converter_versions()}
    write_json(_file(part, ".failed"), note)


@lru_cache
def converter_versions() -> dict[str, str]:
    """Versions of the packages that a conversion goes through."""
    return {name: _version(name) for name in _CONVERTERS}


def network_code(part: PartA) -> str:
    """Digest of the code that builds a network, cuts it and pools its features, a user's own code included."""
    ours = [file_digest(str(module.__file__)) for module in (backbones, checkpoint, efficientnet_lite, extractor, stages)]
    pooling = POOLINGS[part.pooling]
    functions = [*(card.network for card in part.cards), *(card.graph for card in part.cards), pooling.layers, pooling.graph]
    return settings_digest(ours=ours, functions=[_code_of(function) for function in functions if function is not None])


def _code_of(function: Callable[..., Any]) -> str:
    """Digest of the file that a function was written in, or of its compiled code if it was typed into a session."""
    while isinstance(function, partial):
        function = function.func
    file = getattr(sys.modules.get(function.__module__), "__file__", None)
    if file is not None and Path(file).is_file():
        return _file_digest(file, Path(file).stat().st_mtime_ns)
    code = getattr(function, "__code__", None)
    return bytes_digest(marshal.dumps(code) if code is not None else repr(function).encode())


@lru_cache
def _file_digest(file: str, _changed: int) -> str:
    return file_digest(file)


def _file(part: PartA, suffix: str) -> Path:
    key = settings_digest(**part.settings(), code=network_code(part), versions=converter_versions())
    return private_folder("graphs") / f"{part.name}-{key[:16]}{suffix}"


def _is_whole(graph: Path, note: Path) -> bool:
    try:
        return bool(read_json(note) == _digests(graph))
    except (RunError, OSError):
        return False


def _digests(graph: Path) -> dict[str, str]:
    return {file.suffix: file_digest(file) for file in (graph, graph.with_suffix(".bin"))}


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
