"""Graphs of Part A that were converted from Keras, cached with their digests."""

from __future__ import annotations

import marshal
import sys
import warnings
from collections.abc import Callable
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from headstart.export.conversion_notes import converter_versions, note_failure, noted_failure
from headstart.export.converter import staged, write_engine_graph
from headstart.features import part_a
from headstart.features.backbones import backbones, efficientnet_lite, stages, torch_checkpoint
from headstart.features.part_a import POOLINGS, PartA
from headstart.foundation.cache.cache_folder import private_folder
from headstart.foundation.errors import RunError
from headstart.foundation.fingerprint import bytes_digest, file_digest, settings_digest
from headstart.foundation.runs.files import read_json, replacing, write_json

__all__ = [
    "conversion_failure",
    "converted_graph",
    "is_graph_cached",
    "network_code",
    "note_conversion_failure",
]


def converted_graph(part: PartA) -> Path:
    """Return the graph of a network that only Keras can build, converting it on first use.

    A cached graph is verified against its digests. If it has changed, it is converted again with a ``UserWarning``.

    Raises:
        ExportError: The conversion failed (H403), or was stopped (H406).
        StackError: A file cannot be written (H601).
    """
    graph = _graph(part)
    note = graph.with_suffix(".json")
    if not note.exists() or not _is_whole(graph, note):
        if note.exists():
            warnings.warn(f"the cached graph of {part.name} is damaged and will be converted again", stacklevel=2)
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


def is_graph_cached(part: PartA) -> bool:
    """Whether a conversion of a network is in the cache; its digests are checked when it is used."""
    return _graph(part).with_suffix(".json").exists()


def conversion_failure(part: PartA) -> str:
    """Return why an earlier conversion of a network by the installed versions failed; empty if none has failed."""
    return "" if all(card.graph is not None for card in part.cards) else noted_failure(_name(part))


def note_conversion_failure(part: PartA, reason: str) -> None:
    """Remember that this network cannot be converted, so that no later run tries it again with the same versions."""
    note_failure(_name(part), reason)


def network_code(part: PartA) -> str:
    """Digest the code that builds a network, cuts it and pools its features, including a user's own code."""
    modules = (backbones, torch_checkpoint, efficientnet_lite, part_a, stages)
    ours = [file_digest(str(module.__file__)) for module in modules]
    pooling = POOLINGS[part.pooling]
    functions = [*(card.network for card in part.cards), *(card.graph for card in part.cards), pooling.layers, pooling.graph]
    return settings_digest(ours=ours, functions=[_code_of(function) for function in functions if function is not None])


def _code_of(function: Callable[..., Any]) -> str:
    """Digest the file that defines a function, or its compiled code if it was defined in an interactive session."""
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


def _graph(part: PartA) -> Path:
    return private_folder("graphs") / f"{_name(part)}.xml"


def _name(part: PartA) -> str:
    key = settings_digest(**part.settings(), code=network_code(part), versions=converter_versions())
    return f"{part.name}-{key[:16]}"


def _is_whole(graph: Path, note: Path) -> bool:
    try:
        return bool(read_json(note) == _digests(graph))
    except (RunError, OSError):
        return False


def _digests(graph: Path) -> dict[str, str]:
    return {file.suffix: file_digest(file) for file in (graph, graph.with_suffix(".bin"))}
