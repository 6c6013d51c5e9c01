"""Predict with Keras, for models that could not be converted to a faster graph."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from headstart.data.tables.preprocess import encode_typed
from headstart.export.keras_file import check_keras_file
from headstart.foundation.arrays import Array
from headstart.foundation.errors import ExportError
from headstart.training.networks.outputs import outputs_of

__all__ = ["KerasGraph"]

_BATCH, _BATCH_OF_ROWS = 32, 4096


class KerasGraph:
    """A saved model of built-in layers, loaded without running code from its file.

    Args:
        file: ``model.keras``.

    Raises:
        ExportError: Keras cannot load it here (H409).
        RunError: The file contains layers that are not allowed (H521), or is not a ``.keras`` file (H502).
    """

    def __init__(self, file: Path) -> None:
        import keras

        check_keras_file(file)
        try:
            model = keras.models.load_model(file, compile=False, safe_mode=True)
        except Exception as error:
            message = " ".join(str(error).split())[:200]
            raise ExportError(
                "H409",
                "the model has no graph, and Keras cannot load it here",
                received=f"{file}: {type(error).__name__}: {message}",
                expected="a network of built-in layers, or custom layers that are registered before loading",
                advice="predict in the program that fitted it, with headstart.Model.predict; or use built-in layers only",
                exit_code=1,
            ) from error
        self._model = model

    def run(self, images: Iterator[tuple[int, Array]]) -> Iterator[tuple[int, Array]]:
        """Compute numbered outputs from numbered images, as an ``Engine`` does."""
        while block := list(islice(images, _BATCH)):
            numbers, pixels = zip(*block, strict=True)
            yield from zip(numbers, self._outputs(np.stack(pixels)), strict=True)

    def rows_of(self, encoding: Mapping[str, Any]) -> Callable[[Mapping[str, Array]], Array]:
        """Return a function from the typed columns of a table (at least one row) to outputs ``(n, columns)``."""
        return lambda cells: self._outputs(encode_typed(cells, encoding), _BATCH_OF_ROWS)

    def _outputs(self, batch: Array, batch_size: int = _BATCH) -> Array:
        return outputs_of(self._model, batch, batch_size=batch_size)
