"""Records of failed conversions, kept in the cache so that none is tried again until a package version changes."""

from __future__ import annotations

import datetime
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version

from headstart.foundation.cache.notes import read_note, write_note

__all__ = ["converter_versions", "note_failure", "noted_failure"]

_CONVERTERS = ("keras", "tensorflow", "openvino", "tf2onnx")


def noted_failure(name: str) -> str:
    """Reason why a conversion failed before; "" if there is no record.

    Args:
        name: Key that identifies the model, the format and ``converter_versions``.
    """
    return str(read_note(*_place(name)).get("reason", ""))


def note_failure(name: str, reason: str) -> None:
    """Record that the converter itself failed; do not call it if the converter was stopped.

    Args:
        name: Key, as for ``noted_failure``.
        reason: Message of the converter.
    """
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    text = reason.encode("utf-8", "backslashreplace").decode("utf-8")
    note = {"reason": text or "no reason was given", "date": now, "versions": converter_versions()}
    write_note(*_place(name), note)


@lru_cache
def converter_versions() -> dict[str, str]:
    """Versions of the packages used in a conversion."""
    return {name: _version(name) for name in _CONVERTERS}


def _place(name: str) -> tuple[str, str]:
    return "graphs", f"{name}.failed"


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
