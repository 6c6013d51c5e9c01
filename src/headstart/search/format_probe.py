"""Find out in a child process, while a network is trained, which formats it cannot be exported to."""

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

_GRAPHS = ("onnx", "openvino", "litert")  # the other formats support every operation of TensorFlow and Keras
_PROBE_SECONDS = 600.0


class FormatProbe:
    """Converts a network as a test, discards the files, and reports formats that failed as soon as they are known.

    Use it as a context manager around the training. At the end of the block, it waits for the conversion; if the training
    failed, it stops the conversion.

    Args:
        network: The untrained network; its weights do not matter.
        report: Called from a thread, at most once, with the formats that are not available and the reasons.
        patience_seconds: Longest time to wait at the end of the block.
    """

    def __init__(self, network: keras.Model, report: Callable[[str], None], patience_seconds: float) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="headstart-probe-", ignore_cleanup_errors=True)
        self._report, self._patience_seconds = report, patience_seconds
        self._child: Child | None = None
        self._thread = Thread(target=self._ask, daemon=True)
        try:
            network.save(Path(self._folder.name) / "model.keras")
        except Exception as error:  # noqa: BLE001 - the configuration of a user's layer may raise anything
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
        failed, reason = child.ask(request | {"outputs": [], "labels": [], "table": None}, _PROBE_SECONDS)
        if child.was_stopped:
            return
        if reason:  # the network could not be loaded, so it cannot be exported at all
            failed = dict.fromkeys(FORMATS, reason)
        if failed:
            short = {name: why.removeprefix(f"{NO_COUNTERPART}: ")[:120] for name, why in failed.items()}
            self._report(f"cannot be written as {'; '.join(f'{name}: {why}' for name, why in short.items())}")
