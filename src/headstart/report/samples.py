"""Artefacts, the report: one sample in words: what is true of it, and what was answered."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from headstart.metrics import Classification, Evaluation, MultiLabel
from headstart.report.words import measured, percent

__all__ = ["Said", "said"]

Array = np.ndarray[Any, Any]


class Said(NamedTuple):
    """One sample in words.

    Attributes:
        truth: What is true of it.
        answer: What was answered.
        beside: The probability that goes with it, or how far off a value is.
        is_right: Whether both are the same; of values that is not asked.
    """

    truth: str
    answer: str
    beside: str
    is_right: bool


def said(evaluation: Evaluation, position: int) -> Said:
    """What was answered for one sample, in words."""
    if isinstance(evaluation, Classification):
        truth, answer = int(evaluation.labels[position]), int(evaluation.predicted[position])
        chance = percent(float(evaluation.probabilities[position, answer]))
        return Said(evaluation.classes[truth], evaluation.classes[answer], chance, truth == answer)
    if isinstance(evaluation, MultiLabel):
        return _said_labels(evaluation, position)
    return _said_values(evaluation, position)


def _said_labels(evaluation: MultiLabel, position: int) -> Said:
    truth, answer, chances = (
        table[position] for table in (evaluation.labels, evaluation.predicted, evaluation.probabilities)
    )
    # The label that was answered worst is the one to look at.
    worst = int(np.argmax(np.abs(truth - chances)))

    def words(given: Array) -> str:
        return ", ".join(evaluation.classes[k] for k in np.flatnonzero(given)) or "none"

    return Said(
        words(truth),
        words(answer),
        f"{evaluation.classes[worst]} {percent(float(chances[worst]))}",
        bool((truth == answer).all()),
    )


def _said_values(evaluation: Evaluation, position: int) -> Said:
    """Of several targets the one that is off the most, measured by the spread of its truth."""
    truth, answer = evaluation.labels[position], evaluation.answers[position]
    spread = evaluation.labels.std(axis=0)
    worst = int(np.argmax(np.abs(answer - truth) / np.where(spread > 0, spread, 1.0)))
    name = "" if len(truth) == 1 else f"{evaluation.classes[worst]} "
    off = _signed(float(answer[worst] - truth[worst]))
    return Said(name + measured(float(truth[worst])), measured(float(answer[worst])), off, is_right=False)


def _signed(value: float) -> str:
    return f"+{measured(value)}" if value > 0 else measured(value).replace("-", "−")
