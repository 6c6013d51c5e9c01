"""Privacy settings for third-party libraries: no telemetry, and no files outside the cache."""

from __future__ import annotations

import os
import sys
import threading
from typing import Any

from headstart.foundation.cache.cache_folder import private_folder
from headstart.foundation.errors import StackError

__all__ = ["import_openvino_silently", "keep_libraries_private"]

_REPORTER = "openvino_telemetry"


def keep_libraries_private() -> None:
    """Set environment variables that keep ONNX Runtime, Keras and matplotlib private, in this process and its children.

    ONNX Runtime's telemetry is switched off. Keras and matplotlib keep their settings and caches in Headstart's cache. A
    variable that is already set is not changed. Keras and matplotlib are left alone if they are already imported or have a
    folder in the user's home: that folder is used as before.
    """
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    for library, variable, own_folder in (
        ("keras", "KERAS_HOME", "~/.keras"),
        ("matplotlib", "MPLCONFIGDIR", _matplotlib_folder()),
    ):
        if variable in os.environ or library in sys.modules or os.path.exists(os.path.expanduser(own_folder)):  # noqa: PTH110, PTH111 - pathlib raises where there is no home
            continue
        try:
            os.environ[variable] = str(private_folder(library).resolve())
        except StackError:  # code that needs the cache reports the problem; importing Headstart must not fail
            continue


def import_openvino_silently() -> None:
    """Import OpenVINO without its telemetry package, which reports each import; call this before ``import openvino``.

    During the import, and in the importing thread only, ``openvino_telemetry`` cannot be found, and OpenVINO treats it as
    not installed. Afterwards, and in other threads, it can be imported as usual. If OpenVINO is already imported, nothing
    happens.
    """
    if "openvino" in sys.modules:
        return
    hidden = _Hidden(threading.get_ident())
    absent = object()
    imported = sys.modules.pop(_REPORTER, absent)
    sys.meta_path.insert(0, hidden)
    try:
        import openvino  # noqa: F401
    finally:
        sys.meta_path.remove(hidden)
        if imported is not absent:
            sys.modules[_REPORTER] = imported  # type: ignore[assignment]


class _Hidden:
    """Import finder that hides ``openvino_telemetry`` from one thread.

    Args:
        thread: Identifier of that thread.
    """

    def __init__(self, thread: int) -> None:
        self._thread = thread

    def find_spec(self, name: str, _path: Any, _target: Any = None) -> None:
        """Raise for the hidden package; leave all other names to the next finder."""
        if name == _REPORTER and threading.get_ident() == self._thread:
            raise ModuleNotFoundError(f"{name} is hidden while OpenVINO is imported", name=name)


def _matplotlib_folder() -> str:
    if sys.platform in ("win32", "darwin"):
        return "~/.matplotlib"
    return os.path.join(os.environ.get("XDG_CONFIG_HOME") or "~/.config", "matplotlib")  # noqa: PTH118
