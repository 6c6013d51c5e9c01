"""Records of failed conversions, kept in the cache so that none is tried again until a package version changes."""

from __future__ import annotations

import datetime
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from headstart.foundation.cache.cache_folder import private_folder
from headstart.foundation.errors import RunError
from headstart.foundation.runs.files import read_json, write_json

__all__ = ["converter_versions", "note_failure", "noted_failure"]

_CONVERTERS = ("keras", "tensorflow", "openvino", "tf2onnx")


def noted_failure(name: str) -> str:
    """Reason why a conversion failed before; "" if there is no record.

    Args:
        name: Key that identifies the model, the format and ``converter_versions``.
    """
    try:
        return str(read_json(_file(name))["reason"])
    except (RunError, KeyError, TypeError):  # no readable record: the conversion is tried again
        return ""


def note_failure(name: str, reason: str) -> None:
    """Record that the converter itself failed; do not call it if the converter was stopped.

    Args:
        name: Key, as for ``noted_failure``.
        reason: Message of the converter.
    """
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    text = reason.encode("utf-8", "backslashreplace").decode("utf-8")
    write_json(_file(name), {"reason": text or "no reason was given", "date": now, "versions": converter_versions()})


@lru_cache
def converter_versions() -> dict[str, str]:
    """Versions of the packages used in a conversion."""
    return {name: _version(name) for name in _CONVERTERS}


def _file(name: str) -> Path:
    return private_folder("graphs") / f"{name}.failed"


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
