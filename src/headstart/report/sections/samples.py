"""Artefacts, the report: the samples to look at: images, small and inside the page, or rows of a table."""

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
from headstart.report.sections.sample_texts import SampleText, said

__all__ = ["most_unsure_samples", "most_wrong_samples"]

_SAMPLES = 12  # in each of the two sections
_SIDE = 160
_WRONG = {
    "multilabel": "The least probability for the true answers together comes first, with the label that was answered worst.",
    "regression": "The largest error comes first, measured by the spread of the truth.",
}
_WRONG_CLASS = "The least probability for the true class comes first."
_UNSURE = {"multilabel": "A label of these is nearest to its threshold, right or wrong."}
_UNSURE_CLASS = "Nearest to another answer, right or wrong."


def most_wrong_samples(contents: Contents) -> Markup:
    """The mistakes that cost the most loss."""
    if contents.predictions is None:
        return note("There are no predictions to choose from.")
    positions = most_wrong(contents.predictions, _SAMPLES)
    if not positions:
        return note("Every answer is right.")
    fault = "wrong values" if contents.predictions.task == "regression" else "wrong labels"
    lead = _WRONG.get(contents.predictions.task, _WRONG_CLASS)
    return _shown(
        contents, contents.predictions, positions, f"{lead} Look for {fault} and for {contents.noun}s unlike the others."
    )


def most_unsure_samples(contents: Contents) -> Markup:
    """The answers nearest to another answer."""
    if contents.predictions is None:
        return note("There are no predictions to choose from.")
    lead = _UNSURE.get(contents.predictions.task, _UNSURE_CLASS)
    positions = most_unsure(contents.predictions, _SAMPLES)
    return _shown(
        contents,
        contents.predictions,
        positions,
        f"{lead} More labelled {contents.noun}s like these teach the model the most.",
        is_unsure=True,
    )


def _shown(
    contents: Contents, evaluation: Evaluation, positions: list[int], lead: str, *, is_unsure: bool = False
) -> Markup:
    samples = [(contents.paths[position], said(evaluation, position, is_unsure=is_unsure)) for position in positions]
    if contents.is_table:
        return Markup(paragraph(lead) + _rows(evaluation, samples, is_unsure=is_unsure))
    small = _thumbnails(contents, [path for path, _ in samples])
    tiles = "".join(_tile(contents, path, one, small.get(path)) for path, one in samples)
    return Markup(f'{paragraph(lead)}<div class="gallery">{tiles}</div>')


def _rows(evaluation: Evaluation, samples: list[tuple[str, SampleText]], *, is_unsure: bool) -> Markup:
    of_labels = "Nearest to its threshold" if is_unsure else "Answered worst"
    beside = {"multilabel": of_labels, "regression": "Error"}.get(evaluation.task, "Probability")
    words = 1 if evaluation.task == "regression" else 3
    rows = [(f"Row {path}", one.truth, one.answer, one.beside) for path, one in samples]
    return table(("", "Truth", "Answer", beside), rows, words=words)


def _tile(contents: Contents, path: str, one: SampleText, small: bytes | None) -> str:
    """A sample as a small picture; one that is not there any more, or is not an image, as its name."""
    place = contents.places.name(path)
    name = escape(PurePath(place).name or place)
    words = f"<b>{escape(one.truth)} <span>→</span> {escape(one.answer)}</b> {escape(one.beside)}"
    if one.is_right:
        words = f"<b>{escape(one.answer)}</b> ✓ {escape(one.beside)}"
    picture = f'<div class="blank">{name}</div>'
    if small is not None:
        data = base64.b64encode(small).decode("ascii")
        picture = f'<img src="data:image/jpeg;base64,{data}" alt="{name}" width="{_SIDE}" height="{_SIDE}">'
    return f'<figure class="tile" title="{escape(place)}">{picture}<figcaption>{words}</figcaption></figure>'


def _thumbnails(contents: Contents, paths: list[str]) -> dict[str, bytes]:
    """Small JPEGs of the image files among these, decoded in bounded processes and shown as the network saw them."""
    from PIL import Image

    files = [path for path in dict.fromkeys(paths) if _is_file(path)]  # a pipe would never end
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
    except (OSError, ValueError):  # no file can have such a name
        return False


def _geometry(signature: dict[str, Any]) -> Geometry:
    try:
        return Geometry(_SIDE, 1.0, "bicubic", *Rendering.from_json(signature))
    except (*MALFORMED, DatasetError):  # a run that has no model yet, or a file that anyone wrote
        return Geometry(_SIDE, 1.0)
