"""The whole: an opened run folder with its verbs: leaderboard, evaluate, predict, export."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.dataset import Skipped, nothing_to_evaluate
from headstart.errors import RunError
from headstart.export import FORMATS, Exported, export_model
from headstart.leaderboard import read_leaderboard
from headstart.metrics import Evaluation, evaluate_predictions
from headstart.predictor import Prediction, Predictor, as_frame
from headstart.readers import read
from headstart.runfolder import RunFolder, read_csv, read_json

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Run"]


class Run:
    """A run on disk.

    Args:
        path: The folder that ``fit`` wrote.

    Raises:
        RunError: It is no run (H503), or one of another format (H504).
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.folder = RunFolder.open(Path(path))

    def __repr__(self) -> str:
        return f"Run({str(self.path)!r})"

    @property
    def path(self) -> Path:
        """The run folder."""
        return self.folder.path

    @property
    def report(self) -> Path:
        """The report, one page without scripts."""
        return self.path / "report.html"

    @property
    def evaluation(self) -> dict[str, Any]:
        """The evaluation that ``fit`` made, as CONTRACT's ``evaluate`` object."""
        value: dict[str, Any] = read_json(self.path / "evaluation.json")
        return value

    def to_json(self) -> dict[str, Any]:
        """The object of ``headstart fit --json``."""
        state = self.folder.state
        keys = ("task", "classes", "status", "best", "trials", "wall_seconds", "num_samples", "num_skipped", "findings")
        return {"run": str(self.path), **{key: state.get(key) for key in keys}}

    def leaderboard(self) -> pd.DataFrame:
        """The trials, best first, with execution time, ``val_loss`` and the Pareto front."""
        import pandas as pd

        return pd.DataFrame([row.to_json() for row in read_leaderboard(self.path / "leaderboard.csv")])

    def evaluate(self, data: str | os.PathLike[str]) -> Evaluation:
        """Measure the run's model on labelled images that it may never have seen.

        Args:
            data: A folder of class folders, or a table. Its test split is used if it has one, else all of it.

        Raises:
            DatasetError: No image of the run's classes can be read there (H110).
        """
        predictor = self.predictor()
        state = self.folder.state
        dataset = read(data, classes=predictor.classes, target=state.get("target"), image=state.get("image"))
        if "test" in dataset.split:
            dataset = dataset.take(dataset.indices("test"))
        answers = predictor.predict(dataset.paths)
        found = {i: answer.probabilities for i, answer in enumerate(answers) if answer.probabilities is not None}
        usable = list(found)
        if not usable:
            raise nothing_to_evaluate(str(data), predictor.classes)
        unread = [Skipped(answer.path, answer.error) for answer in answers if answer.error]
        evaluation = evaluate_predictions(
            predictor.task,
            dataset.classes,
            dataset.labels[usable],
            np.stack(list(found.values())),
            split=self._note_look([dataset.digests[i] for i in usable]) or "test",
            threshold=predictor.threshold,
        )
        return replace(evaluation, skipped=(*dataset.skipped, *unread))

    def predict(self, paths: str | os.PathLike[str] | Sequence[str | os.PathLike[str]]) -> pd.DataFrame:
        """A table ``path, predicted, p_<class>…`` in the order given; a file that cannot be read has an ``error``."""
        predictor = self.predictor()
        files = [paths] if isinstance(paths, (str, os.PathLike)) else paths
        return as_frame(predictor.predict([os.fspath(path) for path in files]), predictor.classes)

    def answers(self, paths: Sequence[str]) -> tuple[list[Prediction], tuple[str, ...]]:
        """The same as plain rows, with the class names: no pandas."""
        predictor = self.predictor()
        return predictor.predict(paths), predictor.classes

    def export(self, *formats: str, out: str | os.PathLike[str] | None = None) -> list[Exported]:
        """Write the model in formats of ``FORMATS`` (all if none is named), each checked in a fresh process.

        Args:
            formats: keras, h5, saved_model, onnx, openvino, litert.
            out: Folder to write into; ``exports`` in the run if None.
        """
        self._require_model()
        return export_model(self.path, formats or list(FORMATS), Path(out) if out else self.path / "exports")

    def predictor(self) -> Predictor:
        """The run's model as a graph that answers without Keras."""
        self._require_model()
        damaged = self.folder.damaged("signature.json", "model.keras", "model.xml", "model.bin")
        if damaged:
            raise RunError(
                "H506",
                "the model was changed after it was written",
                received=f"{self.path}: {', '.join(damaged)} missing, or not what the manifest says",
                expected="the files that Headstart wrote",
                advice="restore them from a copy of the run, or fit again",
            )
        return Predictor(self.path)

    def _require_model(self) -> None:
        if not (self.path / "signature.json").is_file():
            raise RunError(
                "H505",
                "the run has no model",
                received=f"{self.path}: status {self.folder.state.get('status')}",
                expected="a run that ended with at least one trained model",
                advice=f"headstart resume {self.path}, where it was killed; or fit again",
            )

    def _note_look(self, digests: Sequence[str]) -> str:
        """The split of the run that these contents come from, if any; a look at its test split is counted."""
        split_of = {row["digest"]: row["split"] for row in read_csv(self.path / "contents.csv")}
        splits = {split_of.get(digest, "") for digest in digests}
        if "test" in splits:
            self.folder.update(test_looks=self.folder.state.get("test_looks", 0) + 1)
        return next((name for name in ("train", "validation", "test") if name in splits), "")
