"""Read ``predictions.csv`` and recompute the evaluation from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from headstart.evaluation.evaluate import evaluate_predictions
from headstart.evaluation.evaluation import Evaluation
from headstart.foundation.arrays import Array
from headstart.foundation.text import printable

__all__ = ["read_answers", "read_unknown"]

Row = Mapping[str, str]


def read_answers(rows: Sequence[Row], evaluation: Mapping[str, Any]) -> Evaluation:
    """Recompute the evaluation from stored predictions. Names are compared as ``printable`` writes them to CSV files.

    Args:
        rows: Rows of ``predictions.csv``.
        evaluation: Content of ``evaluation.json``, for the task, the names of the columns and the thresholds.

    Raises:
        KeyError: A column, or the class of a row, is missing.
        ValueError: A cell is not a number, or the numbers are not valid predictions of the task.
    """
    task = evaluation["task"]
    names = [printable(name) for name in evaluation["targets" if task == "regression" else "classes"]]
    read = _READERS[task]
    labels, answers = read(rows, names)
    split = printable(evaluation.get("split") or "")
    return evaluate_predictions(task, names, labels, answers, split=split, thresholds=_thresholds(evaluation))


def read_unknown(rows: Sequence[Row]) -> tuple[float, ...]:
    """Scores of unknown images in stored predictions; empty if the run has none.

    Raises:
        ValueError: A cell is not a number.
    """
    return tuple(float(row["unknown"]) for row in rows) if rows and "unknown" in rows[0] else ()


def _thresholds(evaluation: Mapping[str, Any]) -> list[float]:
    if evaluation["task"] == "multilabel":
        return [float(evaluation["thresholds"][name]) for name in evaluation["classes"]]
    return [float(evaluation["threshold"])] if evaluation.get("threshold") is not None else []


def _read_classes(rows: Sequence[Row], names: list[str]) -> tuple[Array, Array]:
    position = {name: k for k, name in enumerate(names)}
    return np.array([position[row["label"]] for row in rows]), _columns(rows, [f"p_{name}" for name in names])


def _read_labels(rows: Sequence[Row], names: list[str]) -> tuple[Array, Array]:
    position = {name: k for k, name in enumerate(names)}
    truth = np.zeros((len(rows), len(names)), dtype=np.int64)
    for i, row in enumerate(rows):
        truth[i, [position[name] for name in row["label"].split(";") if name]] = 1
    return truth, _columns(rows, [f"p_{name}" for name in names])


def _read_values(rows: Sequence[Row], names: list[str]) -> tuple[Array, Array]:
    ends = [""] if len(names) == 1 else [f"_{name}" for name in names]
    return _columns(rows, [f"label{end}" for end in ends]), _columns(rows, [f"predicted{end}" for end in ends])


_READERS = {"binary": _read_classes, "multiclass": _read_classes, "multilabel": _read_labels, "regression": _read_values}


def _columns(rows: Sequence[Row], names: Sequence[str]) -> Array:
    return np.array([[float(row[name]) for name in names] for row in rows])
