"""Predictions as text, and as the columns and rows of a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from headstart.data.dataset import Dataset
from headstart.data.skipped import Skipped
from headstart.evaluation.uncertainty.conformal import PredictionSets
from headstart.evaluation.uncertainty.novelty import NAME
from headstart.foundation.arrays import Array
from headstart.foundation.text import natural_key

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Prediction", "as_frame", "beside_truth", "prediction_table", "truth_columns", "verdicts", "with_errors"]

_DECIMALS = 6  # of a probability in a table


class Prediction(NamedTuple):
    """The prediction for one sample, or an error.

    Attributes:
        path: Path of the sample; for a row of a table, its number.
        predicted: The prediction as text, as ``verdicts`` writes it; None for an error.
        answers: Probabilities or values, ``(columns,)``; None for an error.
        error: Why there is no prediction; empty otherwise.
        unknown: How unlike the training images the sample is, 0 to 1; None for an error, or if the model does not say.
    """

    path: str
    predicted: str | None
    answers: Array | None
    error: str
    unknown: float | None = None


def verdicts(task: str, classes: Sequence[str], answers: Array, thresholds: Sequence[float]) -> list[str]:
    """Write each prediction as text: the class, the labels joined by ``;``, or the values joined by ``;``.

    Args:
        task: A key of ``TASKS``.
        classes: Names of the columns.
        answers: Predictions, ``(n, columns)``.
        thresholds: One threshold for two classes, one per label for multi-label; 0.5 if empty.
    """
    if task == "regression":
        return [";".join(f"{value:.7g}" for value in row) for row in answers]
    if task == "multilabel":
        are_on = answers >= np.array(thresholds or [0.5] * len(classes))
        return [";".join(name for name, is_on in zip(classes, row, strict=True) if is_on) for row in are_on]
    if task == "binary":
        return [classes[int(row[1] >= (thresholds[0] if thresholds else 0.5))] for row in answers]
    return [classes[int(row.argmax())] for row in answers]


def truth_columns(task: str, classes: Sequence[str]) -> list[str]:
    """Name the columns of true labels: one per target for a regression with several targets, otherwise one."""
    several = task == "regression" and len(classes) > 1
    return [f"label_{name}" for name in classes] if several else ["label"]


def prediction_table(
    predictions: Sequence[Prediction],
    task: str,
    classes: Sequence[str],
    key: str,
    sets: PredictionSets | None = None,
    *,
    unknown: bool = False,
) -> tuple[list[str], list[list[object]]]:
    """Lay predictions out as columns and rows, in the order given, with a column ``error`` if there is any error.

    Args:
        predictions: The predictions.
        task: A key of ``TASKS``.
        classes: Names of classes, labels or targets.
        key: Name of the first column, ``path`` or ``row``.
        sets: Sets or intervals to add as columns. Defaults to None: none.
        unknown: Whether to add the column ``unknown``. Defaults to False.
    """
    has_errors = any(prediction.error for prediction in predictions)
    is_values = task == "regression"
    several = is_values and len(classes) > 1
    shown = [f"predicted_{name}" for name in classes] if several else ["predicted"]
    columns = [key, *shown, *([] if is_values else [f"p_{name}" for name in classes])]
    columns += [*(sets.columns if sets else []), *([NAME] if unknown else []), *(["error"] if has_errors else [])]
    rows: list[list[object]] = []
    for prediction in predictions:
        given: list[float | None] = [None] * len(classes)
        if prediction.answers is not None:
            given = [float(f"{v:.7g}") if is_values else round(float(v), _DECIMALS) for v in prediction.answers]
        cells: list[object] = [*given] if is_values else [prediction.predicted, *given]
        if sets:
            cells += [None] * len(sets.columns) if prediction.answers is None else sets.cells(prediction.answers)
        if unknown:
            cells.append(None if prediction.unknown is None else round(prediction.unknown, _DECIMALS))
        name = int(prediction.path) if key == "row" and prediction.path.isdecimal() else prediction.path
        rows.append([name, *cells, *([prediction.error or None] if has_errors else [])])
    return columns, rows


def beside_truth(
    dataset: Dataset,
    indices: Sequence[int] | Array,
    answers: Array,
    thresholds: Sequence[float],
    unknown: Sequence[float] = (),
) -> tuple[list[str], list[list[object]]]:
    """Lay predictions out as columns and rows, with the true labels after the column that names the sample.

    Args:
        dataset: Labelled samples.
        indices: Positions of the predicted samples.
        answers: Predictions for them, ``(n, columns)``, in the user's units.
        thresholds: As ``verdicts`` takes them.
        unknown: How unlike the training samples each is. Defaults to none: without that column.
    """
    label_texts = dataset.label_texts()
    texts = verdicts(dataset.task, dataset.classes, answers, thresholds)
    scores: Sequence[float | None] = unknown or [None] * len(texts)
    predictions = [
        Prediction(dataset.paths[i], text, answer, "", score)
        for i, text, answer, score in zip(indices, texts, answers, scores, strict=True)
    ]
    columns, rows = prediction_table(predictions, dataset.task, dataset.classes, dataset.key, unknown=bool(unknown))
    truths = truth_columns(dataset.task, dataset.classes)
    labels = [label_texts[i].split(";") if len(truths) > 1 else [label_texts[i]] for i in indices]
    beside = [[row[0], *truth, *row[1:]] for row, truth in zip(rows, labels, strict=True)]
    return [columns[0], *truths, *columns[1:]], beside


def with_errors(answers: Sequence[Prediction], skipped: Sequence[Skipped]) -> list[Prediction]:
    """Merge the predictions for a table with an error for each skipped row, in the order of the rows."""
    errors = [Prediction(row.removeprefix("row "), None, None, reason) for row, reason in skipped]
    return sorted([*answers, *errors], key=lambda answer: natural_key(answer.path)) if errors else list(answers)


def as_frame(
    predictions: Sequence[Prediction],
    task: str,
    classes: Sequence[str],
    key: str,
    index: pd.Index | None = None,
    sets: PredictionSets | None = None,
    *,
    unknown: bool = False,
) -> pd.DataFrame:
    """Return predictions as a data frame with the columns of ``prediction_table``.

    Args:
        predictions: The predictions.
        task: A key of ``TASKS``.
        classes: Names of classes, labels or targets.
        key: Name of the first column, ``path`` or ``row``.
        index: Index of the samples, which is kept if there is one prediction for each. Defaults to None: 0, 1, 2, ...
        sets: As in ``prediction_table``. Defaults to None: none.
        unknown: As in ``prediction_table``. Defaults to False.
    """
    import pandas as pd

    columns, rows = prediction_table(predictions, task, classes, key, sets, unknown=unknown)
    return pd.DataFrame(rows, columns=columns, index=index if index is not None and len(index) == len(rows) else None)
