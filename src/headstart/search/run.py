"""The whole: an opened run folder with its verbs: leaderboard, evaluate, predict, export."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headstart.data.dataset import Dataset
from headstart.data.readers.table import cells_of
from headstart.data.skipped import Skipped
from headstart.evaluation.evaluation import Evaluation
from headstart.evaluation.leaderboard import read_leaderboard
from headstart.export.export_folder import Exported, export_model, formats_of
from headstart.foundation.errors import RunError
from headstart.foundation.runs.run_folder import RunFolder
from headstart.models.predictions import Prediction, as_frame, prediction_table, with_errors
from headstart.models.predictor import Predictor
from headstart.models.scoring import Origin, contents_of, origin_of, samples_to_score, score

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Run"]


class Run:
    """A run on disk.

    Args:
        path: The folder that ``fit`` wrote.

    Raises:
        RunError: It is no run (H503), one of another format (H504), was changed (H506), holds links (H520), or its run.json
            cannot be read (H502).
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
    def sample_nouns(self) -> str:
        """What its samples are called: ``images`` or ``rows``."""
        return "rows" if self.folder.state.get("data_kind") == "table" else "images"

    @property
    def report(self) -> Path:
        """The report, one page without scripts."""
        return self.path / "report.html"

    @property
    def evaluation(self) -> dict[str, Any]:
        """The evaluation that ``fit`` made, as CONTRACT's ``evaluate`` object."""
        value: dict[str, Any] = self.folder.json("evaluation.json")
        return value

    def to_json(self) -> dict[str, Any]:
        """The object of ``headstart fit --json``."""
        state = self.folder.state
        keys = ("task", "classes", "status", "best", "trials", "wall_seconds", "num_samples", "num_skipped", "findings")
        return {"run": str(self.path), **{key: state.get(key) for key in keys}}

    def leaderboard(self) -> pd.DataFrame:
        """The trials, best first, with execution time, ``val_loss`` and the Pareto front."""
        import pandas as pd

        return pd.DataFrame([row.to_json() for row in read_leaderboard(self.folder)])

    def evaluate(self, data: str | os.PathLike[str] | Dataset | pd.DataFrame) -> Evaluation:
        """Measure the run's model on labelled samples that it may never have seen.

        Args:
            data: A folder of class folders, a table or a data frame, or a Dataset. Its test split is used if it has one,
                else all of it.

        Raises:
            DatasetError: No sample of the run's classes can be read there (H110).
        """
        predictor = self.predictor()
        state = self.folder.state
        known = predictor.known(state.get("targets", ()), state.get("image"))
        dataset = samples_to_score(data, known, are_rows=predictor.encoding is not None)
        answers = predictor.answer(dataset)
        found = {i: answer.answers for i, answer in enumerate(answers) if answer.answers is not None}
        unread = [Skipped(dataset.paths[i], answer.error) for i, answer in enumerate(answers) if answer.error]

        def origin(positions: Sequence[int]) -> Origin:
            contents = contents_of(dataset, predictor.encoding)
            return self._origin([contents[i] for i in positions], are_rows=dataset.table is not None)

        return score(dataset, found, unread, origin, predictor.thresholds)

    def predict(self, samples: Any) -> pd.DataFrame:
        """A table ``path, predicted, p_<class>…`` in the order given; a file that cannot be read has an ``error``.

        Args:
            samples: An image file or several; for a model of features the path of a table, a data frame, or an array
                ``(n, columns)``, and the first column of the answer is ``row``.
        """
        predictor = self.predictor()
        if predictor.encoding:
            _, _, table, skipped = cells_of(samples, predictor.known())
            answers = with_errors(predictor.predict_rows(table), skipped)
        else:
            files = [samples] if isinstance(samples, (str, os.PathLike)) else samples
            answers = predictor.predict([os.fspath(path) for path in files])
        return as_frame(answers, predictor.task, predictor.classes, predictor.key)

    def answers(self, paths: Sequence[str]) -> tuple[list[str], list[list[object]], int]:
        """The same as plain columns and rows, without pandas, and how many errors there are among them.

        Rows of a table that do not fit are errors. With several tables, a row is called by its file too.
        """
        predictor = self.predictor()
        if predictor.encoding:
            answers = [answer for path in paths for answer in _answered(predictor, path, is_one_of_many=len(paths) > 1)]
        else:
            answers = predictor.predict(paths)
        columns, rows = prediction_table(answers, predictor.task, predictor.classes, predictor.key)
        return columns, rows, sum(bool(answer.error) for answer in answers)

    def export(self, *formats: str, out: str | os.PathLike[str] | None = None) -> list[Exported]:
        """Write the model in formats of ``FORMATS`` (all that it has if none is named), each checked in a fresh process.

        Args:
            formats: keras, h5, saved_model, onnx, openvino, litert.
            out: Folder to write into; ``exports`` in the run if None.
        """
        self._require_model()
        return export_model(self.path, formats or formats_of(self.path), Path(out) if out else self.path / "exports")

    def predictor(self) -> Predictor:
        """The run's model as a graph that predicts without Keras; by Keras where no graph could be made."""
        self._require_model()
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

    def _origin(self, contents: Sequence[str], *, are_rows: bool) -> Origin:
        """Where these contents come from; a look at the run's test split is counted."""
        fitted = ((row["digest"], row["split"]) for row in self.folder.rows("contents.csv"))
        origin = origin_of(contents, fitted, are_rows=are_rows)
        if origin.is_look:
            self.folder.count_look()
        return origin


def _answered(predictor: Predictor, path: str, *, is_one_of_many: bool) -> list[Prediction]:
    """The answers for one table, and an error for each of its rows that does not fit."""
    _, _, table, skipped = cells_of(path, predictor.known())
    answers = with_errors(predictor.predict_rows(table), skipped)
    return [answer._replace(path=f"{path}:{answer.path}") for answer in answers] if is_one_of_many else answers
