"""The whole: answers from the exported graph, without Keras. Files in, probabilities out, bad files named."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from headstart.engines import OpenVINOEngine, read_graph
from headstart.images import DecodePool, Geometry, usable_cores
from headstart.runfolder import read_json
from headstart.signature import add_graph
from headstart.tasks import TASKS

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Prediction", "Predictor"]

Array = np.ndarray[Any, Any]


class Prediction(NamedTuple):
    """The answer for one file: probabilities ``(classes,)`` and the class, or an error."""

    path: str
    predicted: str | None
    probabilities: Array | None
    error: str


class Predictor:
    """A run's model, ready to answer.

    Args:
        folder: A run, or a folder of exports that holds model.xml.

    Attributes:
        classes: Class names in the order of the probabilities.
        geometry: How an image becomes the model's input.

    Raises:
        RunError: The folder holds no signature (H502).
        ExportError: There is no graph and none could be made (H402, H403).
    """

    def __init__(self, folder: Path) -> None:
        signature = read_json(folder / "signature.json")
        self.classes: tuple[str, ...] = tuple(signature["labels"])
        self.task: str = signature["task"]
        self.threshold: float = signature.get("threshold", 0.5)
        self.geometry = Geometry(signature["size"], signature["crop"], signature["filter"])
        if not (folder / "model.xml").is_file():  # a run that ended before its graph was made
            add_graph(folder)
        self._engine = OpenVINOEngine(read_graph(folder / "model.xml"), "predict")

    def predict(self, paths: Sequence[str]) -> list[Prediction]:
        """Answers in the order of ``paths``, one each; a file that cannot be read has an error in place of an answer."""
        errors: dict[int, str] = {}
        outputs: dict[int, Array] = {}
        workers = max(1, min(usable_cores(), len(paths)))
        with DecodePool(self.geometry, workers) as pool:

            def images() -> Iterator[tuple[int, Array]]:
                for decoded in pool.decode(paths):
                    if decoded.pixels is None:
                        errors[decoded.index] = decoded.reason
                    else:
                        yield decoded.index, decoded.pixels

            outputs.update(self._engine.run(images()))
        return [self._answer(path, outputs.get(i), errors.get(i, "")) for i, path in enumerate(paths)]

    def _answer(self, path: str, output: Array | None, error: str) -> Prediction:
        if output is None:
            return Prediction(path, None, None, error)
        probabilities = TASKS[self.task].to_probabilities(output[None])[0]
        is_second = self.task == "binary" and probabilities[1] >= self.threshold
        best = int(is_second) if self.task == "binary" else int(probabilities.argmax())
        return Prediction(path, self.classes[best], probabilities, "")


def as_frame(predictions: Sequence[Prediction], classes: Sequence[str]) -> pd.DataFrame:
    """Predictions as a table: ``path, predicted, p_<class>…``, and ``error`` where there was one."""
    import pandas as pd

    rows = [
        {"path": p.path, "predicted": p.predicted}
        | {f"p_{c}": None if p.probabilities is None else float(p.probabilities[i]) for i, c in enumerate(classes)}
        | ({"error": p.error or None} if any(q.error for q in predictions) else {})
        for p in predictions
    ]
    return pd.DataFrame(rows, columns=None if rows else ["path", "predicted", *(f"p_{c}" for c in classes)])
