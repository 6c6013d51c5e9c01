"""``Run``: a run folder with methods for the leaderboard, evaluation, predictions and export."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headstart.data.dataset import Dataset
from headstart.data.prediction_inputs import index_of, rows_of, to_images
from headstart.data.readers.read import unlabelled, unlabelled_rows
from headstart.data.readers.tables.table import cells_of
from headstart.data.skipped import Skipped
from headstart.evaluation.evaluation import Evaluation
from headstart.evaluation.leaderboard import headings, notes, read_leaderboard, shown_columns
from headstart.evaluation.summary import summary_lines
from headstart.export.export_folder import Exported, export_model, formats_of
from headstart.export.signature_reader import read_signature
from headstart.foundation.errors import RunError, UsageError
from headstart.foundation.runs.run_folder import RunFolder, check_free
from headstart.foundation.text import html_card, html_table
from headstart.models.predictions import Prediction, as_frame, prediction_table, with_errors
from headstart.models.predictor import Predictor
from headstart.models.saved_model import unfitted_dataset
from headstart.models.scoring import Origin, contents_of, origin_of, samples_to_score, save_evaluation, score

if TYPE_CHECKING:
    import pandas as pd

    from headstart.search.labelling import ToLabel

__all__ = ["Run"]


class Run:
    """A run on disk: its trials, the selected model and its report.

    ``fit`` and ``resume`` return one; use ``Run(path)`` to open a run of an earlier session.

    Args:
        path: The run folder that ``fit`` wrote.

    Raises:
        RunError: The folder is not a run (H503), has another format (H504), was changed (H506) or contains links (H520),
            or its ``run.json`` cannot be read (H502).

    Example::

        run = hs.Run("runs/flowers-001")
        run.leaderboard()
        run.predict(["new/rose.jpg", "new/tulip.jpg"])
        run.export("onnx")
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.folder = RunFolder.open(Path(path))
        self._predictor: Predictor | None = None

    def __repr__(self) -> str:
        return f"Run({str(self.path)!r})"

    def _repr_html_(self) -> str:
        """Return the results as HTML, for notebooks: the scores, and the trials as in the leaderboard."""
        lines = [f"report: {self.report}"] if self.report.exists() else []
        trials = ""
        try:
            if (self.path / "evaluation.json").exists():
                lines = [*summary_lines(self.evaluation, self.sample_nouns), *lines]
            rows = read_leaderboard(self.folder)
            shown = shown_columns(rows)
            cells = [[row.trial, *(column.cell(row) for column in shown if row.val_loss is not None)] for row in rows]
            trials = html_table(["trial", *headings(shown, rows)], cells)
            lines = [*notes(rows), *lines]
        except RunError as error:  # a run that is damaged, or has not got so far, is shown as it is
            lines = [f"{error.title} ({error.code})", *lines]
        return html_card(f"Run {self.path}: {self.folder.state.get('status')}", lines, trials)

    @property
    def path(self) -> Path:
        """The run folder."""
        return self.folder.path

    @property
    def sample_nouns(self) -> str:
        """Plural noun for the samples: ``images`` or ``rows``."""
        return "rows" if self.folder.state.get("data_kind") == "table" else "images"

    @property
    def report(self) -> Path:
        """Path of the report, one HTML page without scripts."""
        return self.path / "report.html"

    @property
    def evaluation(self) -> dict[str, Any]:
        """The evaluation that ``fit`` made, in the format of ``headstart evaluate --json``."""
        value: dict[str, Any] = self.folder.json("evaluation.json")
        return value

    def to_json(self) -> dict[str, Any]:
        """Return the results as ``headstart fit --json`` prints them."""
        state = self.folder.state
        keys = ("task", "classes", "status", "best", "trials", "wall_seconds", "num_samples", "num_skipped", "findings")
        return {"run": str(self.path), **{key: state.get(key) for key in keys}}

    def leaderboard(self) -> pd.DataFrame:
        """Return the trials as a data frame, best first, with ``val_loss``, execution time and the Pareto front."""
        import pandas as pd

        return pd.DataFrame([row.to_json() for row in read_leaderboard(self.folder)])

    def evaluate(
        self, data: str | os.PathLike[str] | Dataset | pd.DataFrame, *, out: str | os.PathLike[str] | None = None
    ) -> Evaluation:
        """Evaluate the model of the run on labelled samples.

        The evaluation reports samples that the model was trained or selected on.

        Args:
            data: A folder with one folder per class, a table, a data frame or a ``Dataset``. If it has a test split, only
                that split is used.
            out: Folder to write evaluation.json, predictions.csv, skipped.csv and the figures to. Defaults to None: none is
                written.

        Returns:
            Scores with intervals, predictions and plots.

        Raises:
            DatasetError: The data contain no readable sample of the run's classes (H110).
            RunError: There are files in ``out`` (H501).

        Example::

            evaluation = run.evaluate("flowers/test")
            evaluation.headline.value, evaluation.headline.interval
        """
        if out is not None:
            check_free(Path(out))
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

        evaluation = score(dataset, found, unread, origin, predictor.thresholds)
        if out is not None:
            save_evaluation(Path(out), evaluation, dataset, list(found), predictor.thresholds)
        return evaluation

    def predict(self, samples: Any, *, coverage: float | None = None, unknown: bool = False) -> pd.DataFrame:
        """Predict samples and return a data frame with the columns ``path, predicted, p_<class>…``, in the given order.

        A file that cannot be read is a row with an ``error``. For a model of table features, the first column is ``row``.
        The index of a data frame or series is kept. The model is loaded at the first call, and kept.

        Args:
            samples: For a model of images a path, a folder, bytes of an image file, a Pillow image, or an array
                ``(height, width[, channels])`` or ``(n, height, width[, channels])``; a sequence or a series of any of
                these; or a data frame with a column of paths. For a model of table features the path of a table, a data
                frame, an array ``(n, columns)``, or rows as mappings or series.
            coverage: Probability, 0.5 to 0.99, that the truth is in the column ``set`` (classes or labels joined by ``;``),
                or between ``low`` and ``high``. Defaults to None: without these columns.
            unknown: Whether to add the column ``unknown``, from 0 to 1: how unlike the training images an image is. From 0.5
                on, ``unknown`` is predicted in place of a class. Defaults to False.

        Raises:
            UsageError: The coverage is out of range (H048), there were too few held-out samples for it (H049), or the run
                was not fitted with ``unknown`` (H050).

        Example::

            run.predict(["new/rose.jpg", "new/tulip.jpg"])
        """
        predictor = self.predictor()
        sets = predictor.prediction_sets(coverage)
        if unknown:
            predictor.marked([])  # rejected before anything is predicted
        samples = rows_of(samples) if predictor.encoding else samples
        index = index_of(samples)
        if predictor.encoding:
            _, _, table, skipped = cells_of(samples, predictor.known())
            answers = with_errors(predictor.predict_rows(table), skipped)
        else:
            with to_images(samples, self.folder.state.get("image")) as images:
                given = predictor.predict(images.files) if images.arrays is None else predictor.predict_arrays(images.arrays)
                answers = [answer._replace(path=name) for name, answer in zip(images.names, given, strict=True)]
        answers = predictor.marked(answers) if unknown else answers
        return as_frame(answers, predictor.task, predictor.classes, predictor.key, index, sets, unknown=unknown)

    def answers(
        self, paths: Sequence[str], *, coverage: float | None = None, unknown: bool = False
    ) -> tuple[list[str], list[list[object]], int]:
        """Predict files and return column names, rows and the number of rows with an error; for use without pandas.

        Rows of a table that do not fit the model have an error. With several tables, rows are named ``<file>:<row>``.

        Args:
            paths: Paths of images; for a model of table features, paths of tables.
            coverage: As in ``predict``. Defaults to None.
            unknown: As in ``predict``. Defaults to False.

        Raises:
            UsageError: As for ``predict`` (H048, H049, H050).
        """
        predictor = self.predictor()
        sets = predictor.prediction_sets(coverage)
        if unknown:
            predictor.marked([])  # rejected before anything is predicted
        if predictor.encoding:
            answers = [answer for path in paths for answer in _answered(predictor, path, is_one_of_many=len(paths) > 1)]
        else:
            answers = predictor.predict(paths)
        answers = predictor.marked(answers) if unknown else answers
        columns, rows = prediction_table(answers, predictor.task, predictor.classes, predictor.key, sets, unknown=unknown)
        return columns, rows, sum(bool(answer.error) for answer in answers)

    def label(self, samples: Any, *, number: int = 50, out: str | os.PathLike[str] | None = None) -> pd.DataFrame:
        """Choose unlabelled samples to label next: uncertain ones that are typical of others and differ from each other.

        Samples that the run has already, and copies of others, are left out. A file that cannot be read is a row with an
        ``error`` at the end.

        Args:
            samples: What ``predict`` takes.
            number: Number of samples to choose. Defaults to 50.
            out: Folder to write to_label.csv to, and to_label.html, a page with thumbnails of the chosen images. Defaults to
                None: none is written.

        Returns:
            A row per sample, the most useful first: ``path`` (of a table: ``row``), ``label`` to be filled in, what
            ``predict`` returns, and ``uncertainty`` from 0 to 1.

        Raises:
            UsageError: The number is not positive (H052), or there are several tables (H053).
            RunError: There are files in ``out`` (H501).

        Example::

            run.label("unlabelled/", number=20)["path"]
        """
        import pandas as pd

        found = self.to_label(samples, number, None if out is None else Path(out))
        return pd.DataFrame(found.rows, columns=found.columns)

    def to_label(self, samples: Any, number: int, out: Path | None = None) -> ToLabel:
        """Choose samples as ``label`` does, and return columns and rows; for use without pandas."""
        from headstart.search.labelling import save_to_label

        if out is not None:
            check_free(out)
        found = self._to_label(samples, number)
        if out is not None:
            save_to_label(out, self.folder, found)
        return found

    def _to_label(self, samples: Any, number: int) -> ToLabel:
        from headstart.search.labelling import to_label

        predictor = self.predictor()
        like = unfitted_dataset(read_signature(self.path))
        if predictor.encoding:
            rows = rows_of(_one_table(samples))
            return to_label(self.folder, predictor, unlabelled_rows(rows, like, predictor.known()), number)
        with to_images(samples, self.folder.state.get("image")) as images:
            dataset = unlabelled(images.files if images.arrays is None else images.arrays, like)
            found = to_label(self.folder, predictor, dataset, number)
            names = dict(zip(dataset.paths, images.names, strict=True))  # those of images in memory are not their files'
            return found._replace(rows=[[names.get(str(row[0]), row[0]), *row[1:]] for row in found.rows])

    def export(self, *formats: str, out: str | os.PathLike[str] | None = None) -> list[Exported]:
        """Export the model, and verify each file in a fresh process.

        Args:
            formats: Keys of ``FORMATS``: ``keras``, ``h5``, ``saved_model``, ``onnx``, ``openvino``, ``litert``. Defaults to
                all formats that the model supports.
            out: Folder to write to. Defaults to ``exports`` in the run folder.

        Returns:
            Path, size and largest difference from the trained model of each export.

        Raises:
            RunError: The run has no model (H505).

        Example::

            run.export("onnx", "openvino")
        """
        self.require_model()
        return export_model(self.path, formats or formats_of(self.path), Path(out) if out else self.path / "exports")

    def predictor(self) -> Predictor:
        """Load the model of the run for prediction, as a graph without Keras if there is one; only the first call does.

        Raises:
            RunError: The run has no model (H505).
        """
        self.require_model()
        if self._predictor is None:
            self._predictor = Predictor(self.path)
        return self._predictor

    def require_model(self) -> None:
        """Reject a run without a model (H505)."""
        if not (self.path / "signature.json").is_file():
            raise RunError(
                "H505",
                "the run has no model",
                received=f"{self.path}: status {self.folder.state.get('status')}",
                expected="a run that ended with at least one trained model",
                advice=f"if it was killed, run headstart resume {self.path}; otherwise fit again",
            )

    def _origin(self, contents: Sequence[str], *, are_rows: bool) -> Origin:
        """Which split of the run the contents come from; an evaluation of its test split is counted."""
        fitted = ((row["digest"], row["split"]) for row in self.folder.rows("contents.csv"))
        origin = origin_of(contents, fitted, are_rows=are_rows)
        if origin.is_look:
            self.folder.count_look()
        return origin


def _one_table(samples: Any) -> Any:
    """Samples as they are, but a list with the path of one table as that path."""
    if not isinstance(samples, list | tuple) or not all(isinstance(path, str | os.PathLike) for path in samples):
        return samples
    if len(samples) == 1:
        return samples[0]
    raise UsageError(
        "H053",
        "several tables",
        received=f"{len(samples)} paths",
        expected="one table of unlabelled rows",
        advice="join them to one file",
    )


def _answered(predictor: Predictor, path: str, *, is_one_of_many: bool) -> list[Prediction]:
    """Predictions for one table, with an error for each row that does not fit the model."""
    _, _, table, skipped = cells_of(path, predictor.known())
    answers = with_errors(predictor.predict_rows(table), skipped)
    return [answer._replace(path=f"{path}:{answer.path}") for answer in answers] if is_one_of_many else answers
