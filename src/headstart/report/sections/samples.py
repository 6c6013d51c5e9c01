"""Sections "Worst predictions" and "Most uncertain predictions": embedded thumbnails of images, or table rows."""

from __future__ import annotations

import base64
import io
from pathlib import Path, PurePath
from typing import Any

from headstart.data.images.decode_pool import DecodePool
from headstart.data.images.geometry import Geometry
from headstart.data.images.rendering import Rendering
from headstart.evaluation.evaluation import Evaluation
from headstart.evaluation.hard_samples import most_unsure, most_wrong
from headstart.foundation.errors import DatasetError
from headstart.foundation.machine import usable_cores
from headstart.report.contents import MALFORMED, Contents
from headstart.report.page import Markup, escape, note, paragraph, table
from headstart.report.sections.sample_texts import SampleText, sample_texts

__all__ = ["most_unsure_samples", "most_wrong_samples"]

_SAMPLES = 12  # per section
_SIDE = 160
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


def _shown(
    contents: Contents, evaluation: Evaluation, positions: list[int], lead: str, *, is_unsure: bool = False
) -> Markup:
    texts = sample_texts(evaluation, positions, is_unsure=is_unsure)
    samples = [(contents.paths[i], text) for i, text in zip(positions, texts, strict=True)]
    if contents.is_table:
        return Markup(paragraph(lead) + _rows(evaluation, samples, is_unsure=is_unsure))
    small = _thumbnails(contents, [path for path, _ in samples])
    name = _number_name(evaluation, is_unsure=is_unsure)
    tiles = "".join(_tile(contents, path, one, small.get(path), name) for path, one in samples)
    return Markup(f'{paragraph(lead)}<div class="gallery">{tiles}</div>')


def _rows(evaluation: Evaluation, samples: list[tuple[str, SampleText]], *, is_unsure: bool) -> Markup:
    of_labels = "Label closest to its threshold" if is_unsure else "Worst predicted label"
    beside = {"multilabel": of_labels, "regression": "Error"}.get(evaluation.task, "Probability")
    words = 1 if evaluation.task == "regression" else 3
    rows = [(f"Row {path}", one.truth, one.answer, one.beside, one.number) for path, one in samples]
    return table(("", "True", "Predicted", beside, _number_name(evaluation, is_unsure=is_unsure)), rows, words=words)


def _number_name(evaluation: Evaluation, *, is_unsure: bool) -> str:
    return "Margin" if is_unsure else _NUMBERS.get(evaluation.task, "Probability of the true class")


def _tile(contents: Contents, path: str, one: SampleText, small: bytes | None, number_name: str) -> str:
    """A sample as a thumbnail with its texts; the file name replaces a thumbnail that could not be made."""
    place = contents.places.name(path)
    name = escape(PurePath(place).name or place)
    words = f"<b>{escape(one.truth)} <span>→</span> {escape(one.answer)}</b> {escape(one.beside)}"
    if one.is_right:
        words = f"<b>{escape(one.answer)}</b> ✓ {escape(one.beside)}"
    words += f"<br>{escape(number_name)} {escape(one.number)}"
    picture = f'<div class="blank">{name}</div>'
    if small is not None:
        data = base64.b64encode(small).decode("ascii")
        picture = f'<img src="data:image/jpeg;base64,{data}" alt="{name}" width="{_SIDE}" height="{_SIDE}">'
    return f'<figure class="tile" title="{escape(place)}">{picture}<figcaption>{words}</figcaption></figure>'


def _thumbnails(contents: Contents, paths: list[str]) -> dict[str, bytes]:
    """JPEG thumbnails of the image files, decoded in bounded processes and framed as the network saw them."""
    from PIL import Image

    files = [path for path in dict.fromkeys(paths) if _is_file(path)]  # reading a pipe might never end
    small = {}
    with DecodePool(_geometry(contents.signature), min(usable_cores(), max(1, len(files)))) as pool:
        for decoded in pool.decode(files):
            if decoded.pixels is not None:
                buffer = io.BytesIO()
                Image.fromarray(decoded.pixels).save(buffer, "JPEG", quality=78)
                small[files[decoded.index]] = buffer.getvalue()
    return small


def _is_file(path: str) -> bool:
    try:
        return Path(path).is_file()
    except (OSError, ValueError):  # not a valid file name
        return False


def _geometry(signature: dict[str, Any]) -> Geometry:
    try:
        return Geometry(_SIDE, 1.0, "bicubic", *Rendering.from_json(signature))
    except (*MALFORMED, DatasetError):  # the run has no model yet, or its signature is malformed
        return Geometry(_SIDE, 1.0)
