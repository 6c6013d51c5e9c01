"""Sections that show samples, the worst predictions for example: embedded thumbnails of images, or table rows."""

from __future__ import annotations

import numpy as np

from headstart.evaluation.evaluation import Evaluation
from headstart.evaluation.hard_samples import most_unsure, most_wrong
from headstart.evaluation.uncertainty.novelty import THRESHOLD
from headstart.foundation.arrays import Array
from headstart.report.contents import Contents
from headstart.report.formatting import decimal, percent, plural
from headstart.report.page import Markup, escape, note, paragraph, table
from headstart.report.sections.sample_texts import SampleText, sample_texts
from headstart.report.thumbnails import gallery, thumbnails, tile

__all__ = ["most_unlike_samples", "most_unsure_samples", "most_wrong_samples"]

_SAMPLES = 12  # per section
_WRONG = {
    "multilabel": "Sorted by the joint probability of the true labels, lowest first; the worst predicted label is shown.",
    "regression": "Sorted by the error relative to the standard deviation of the true values, largest first.",
}
_WRONG_CLASS = "Sorted by the probability of the true class, lowest first."
_UNSURE = {"multilabel": "Sorted by the distance of a label from its threshold, smallest first, right or wrong."}
_UNSURE_CLASS = "Sorted by the margin over another class, smallest first, right or wrong."
_NUMBERS = {"multilabel": "Joint probability", "regression": "Relative error"}  # by which the worst are sorted


def most_wrong_samples(contents: Contents) -> Markup:
    """Section with the worst predictions."""
    if contents.predictions is None:
        return note("There are no predictions.")
    positions = most_wrong(contents.predictions, _SAMPLES)
    if not positions:
        return note("All predictions are correct.")
    fault = "wrong values" if contents.predictions.task == "regression" else "wrong labels"
    lead = _WRONG.get(contents.predictions.task, _WRONG_CLASS)
    return _shown(contents, contents.predictions, positions, f"{lead} Look for {fault} and for unusual {contents.noun}s.")


def most_unsure_samples(contents: Contents) -> Markup:
    """Section with the most uncertain predictions."""
    if contents.predictions is None:
        return note("There are no predictions.")
    lead = _UNSURE.get(contents.predictions.task, _UNSURE_CLASS)
    positions = most_unsure(contents.predictions, _SAMPLES)
    return _shown(
        contents,
        contents.predictions,
        positions,
        f"{lead} If you can label more {contents.noun}s, begin with ones like these.",
        is_unsure=True,
    )


def most_unlike_samples(contents: Contents) -> Markup:
    """Section with the images that are most unlike the training images, for a run fitted with ``unknown``."""
    if contents.predictions is None or len(contents.unknown) != len(contents.paths):
        return note("There are no predictions.")
    scores = np.array(contents.unknown)
    num_unknown = int((scores >= THRESHOLD).sum())
    about = (
        f"Sorted by the score of unknown images, highest first. From {THRESHOLD:g} on, predict --unknown answers “unknown”: "
        f"here {num_unknown} of {plural(len(scores), contents.noun)} ({percent(num_unknown / len(scores))})."
    )
    positions = [int(place) for place in np.argsort(-scores, kind="stable")[:_SAMPLES]]
    return _shown(contents, contents.predictions, positions, about, scores=scores)


def _shown(
    contents: Contents,
    evaluation: Evaluation,
    positions: list[int],
    lead: str,
    *,
    is_unsure: bool = False,
    scores: Array | None = None,
) -> Markup:
    texts = sample_texts(evaluation, positions, is_unsure=is_unsure)
    if scores is not None:
        texts = [one._replace(number=decimal(float(scores[i]), 2)) for i, one in zip(positions, texts, strict=True)]
    samples = [(contents.paths[i], text) for i, text in zip(positions, texts, strict=True)]
    if contents.is_table:
        return Markup(paragraph(lead) + _rows(evaluation, samples, is_unsure=is_unsure))
    small = thumbnails(contents.signature, [path for path, _ in samples])
    name = _number_name(evaluation, is_unsure=is_unsure) if scores is None else "Score"
    tiles = [_tile(contents, path, one, small.get(path), name) for path, one in samples]
    return Markup(paragraph(lead) + gallery(tiles))


def _rows(evaluation: Evaluation, samples: list[tuple[str, SampleText]], *, is_unsure: bool) -> Markup:
    of_labels = "Label closest to its threshold" if is_unsure else "Worst predicted label"
    beside = {"multilabel": of_labels, "regression": "Error"}.get(evaluation.task, "Probability")
    words = 1 if evaluation.task == "regression" else 3
    rows = [(f"Row {path}", one.truth, one.answer, one.beside, one.number) for path, one in samples]
    return table(("", "True", "Predicted", beside, _number_name(evaluation, is_unsure=is_unsure)), rows, words=words)


def _number_name(evaluation: Evaluation, *, is_unsure: bool) -> str:
    return "Margin" if is_unsure else _NUMBERS.get(evaluation.task, "Probability of the true class")


def _tile(contents: Contents, path: str, one: SampleText, small: bytes | None, number_name: str) -> Markup:
    """A sample as a thumbnail with its texts."""
    words = f"<b>{escape(one.truth)} <span>→</span> {escape(one.answer)}</b> {escape(one.beside)}"
    if one.is_right:
        words = f"<b>{escape(one.answer)}</b> ✓ {escape(one.beside)}"
    words += f"<br>{escape(number_name)} {escape(one.number)}"
    return tile(contents.places.name(path), small, Markup(words))
