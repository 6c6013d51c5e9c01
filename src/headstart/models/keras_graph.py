"""The whole: a run's model by Keras itself, for predictions where no faster graph could be made of it."""

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

__all__ = ["KerasGraph"]

_BATCH, _BATCH_OF_ROWS = 32, 4096


class KerasGraph:
    """A saved model of built-in layers, loaded without running code from its file.

    Args:
        file: ``model.keras``.

    Raises:
        ExportError: Keras cannot load it here (H409).
        RunError: It holds layers that are not loaded (H521), or is no ``.keras`` file (H502).
    """

    def __init__(self, file: Path) -> None:
        import keras

        check_keras_file(file)
        try:
            model = keras.models.load_model(file, compile=False, safe_mode=True)
        except Exception as error:
            told = " ".join(str(error).split())[:200]
            raise ExportError(
                "H409",
                "the model has no graph, and Keras cannot load it here",
                received=f"{file}: {type(error).__name__}: {told}",
                expected="a network of built-in layers, or the layers of its own registered before",
                advice="predict in the program that fitted it: headstart.Model.predict; or build it of built-in layers",
                exit_code=1,
            ) from error
        self._model = model

    def run(self, images: Iterator[tuple[int, Array]]) -> Iterator[tuple[int, Array]]:
        """Numbered images to numbered outputs; see ``engines.Engine``."""
        while block := list(islice(images, _BATCH)):
            numbers, pixels = zip(*block, strict=True)
            yield from zip(numbers, self._outputs(np.stack(pixels)), strict=True)

    def rows_of(self, encoding: Mapping[str, Any]) -> Callable[[Mapping[str, Array]], Array]:
        """A function from typed columns of a table, at least one row of them, to outputs ``(n, units)``."""
        return lambda cells: self._outputs(encode_typed(cells, encoding), _BATCH_OF_ROWS)

    def _outputs(self, batch: Array, batch_size: int = _BATCH) -> Array:
        return np.asarray(self._model.predict(batch.astype(np.float32), batch_size=batch_size, verbose=0), np.float32)
