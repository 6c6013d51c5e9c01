"""The whole: which formats an untrained network cannot be written in, found out by a child process while it is trained."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING

from headstart.export.converter import Child
from headstart.export.formats import FORMATS, NO_COUNTERPART

if TYPE_CHECKING:
    import keras

__all__ = ["FormatProbe"]

_GRAPHS = ("onnx", "openvino", "litert")  # the others hold whatever TensorFlow and Keras can compute
_PROBE_SECONDS = 600.0


class FormatProbe:
    """Converts a network and throws away what comes out; what does not come out is reported as soon as it is known.

    As a context it lasts as long as the training: afterwards it is waited for, or ended where the training failed.

    Args:
        network: A fresh network; nothing of its weights is needed.
        report: Called from a thread, once at most, with the formats that are not available, and why.
        patience_seconds: The longest that it is waited for.
    """

    def __init__(self, network: keras.Model, report: Callable[[str], None], patience_seconds: float) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="headstart-probe-", ignore_cleanup_errors=True)
        self._report, self._patience_seconds = report, patience_seconds
        self._child: Child | None = None
        self._thread = Thread(target=self._ask, daemon=True)
        try:
            network.save(Path(self._folder.name) / "model.keras")
        except Exception as error:  # noqa: BLE001 - whatever the configuration of a user's layer raises
            report(f"cannot be saved: {type(error).__name__}: {' '.join(str(error).split())[:120]}")
        else:
            self._child = Child("convert_process.py")

    def __enter__(self) -> FormatProbe:
        if self._child is not None:
            self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self._child is not None:
            if kind is None:
                self._thread.join(self._patience_seconds)
            self._child.stop()
            self._thread.join()
        self._folder.cleanup()

    def _ask(self) -> None:
        child, folder = self._child, self._folder.name
        assert child is not None
        request = {"keras_file": f"{folder}/model.keras", "folder": folder, "formats": _GRAPHS, "each": True}
        refused, reason = child.ask(request | {"output": "", "labels": [], "table": None}, _PROBE_SECONDS)
        if child.was_stopped:
            return
        if reason:  # it cannot even be loaded
            refused = dict.fromkeys(FORMATS, reason)
        if refused:
            short = {name: why.removeprefix(f"{NO_COUNTERPART}: ")[:120] for name, why in refused.items()}
            self._report(f"cannot be written as {'; '.join(f'{name}: {why}' for name, why in short.items())}")
