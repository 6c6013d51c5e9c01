"""Artefacts, the report: the images to look at, small and inside the page."""

from __future__ import annotations

import base64
import io
from pathlib import Path, PurePath

from headstart.metrics import Evaluation
from headstart.pixels import load
from headstart.report.contents import Contents
from headstart.report.page import Markup, escape, note, paragraph
from headstart.report.words import percent
from headstart.saliency import most_unsure, most_wrong

__all__ = ["most_unsure_images", "most_wrong_images"]

_IMAGES = 12  # in each of the two sections
_SIDE = 160
_MOST_BYTES = 100_000_000


def most_wrong_images(contents: Contents) -> Markup:
    """The mistakes that cost the most loss."""
    if contents.predictions is None:
        return note("There are no predictions to choose from.")
    positions = most_wrong(contents.predictions, _IMAGES)
    if not positions:
        return note("Every answer is right.")
    lead = "The least probability for the true class comes first. Look for wrong labels and for images unlike the others."
    return _gallery(contents, contents.predictions, positions, lead)


def most_unsure_images(contents: Contents) -> Markup:
    """The answers nearest to another answer."""
    if contents.predictions is None:
        return note("There are no predictions to choose from.")
    lead = "Nearest to another answer, right or wrong. More labelled images like these teach the model the most."
    return _gallery(contents, contents.predictions, most_unsure(contents.predictions, _IMAGES), lead)


def _gallery(contents: Contents, evaluation: Evaluation, positions: list[int], lead: str) -> Markup:
    tiles = "".join(_tile(contents, evaluation, position) for position in positions)
    return Markup(f'{paragraph(lead)}<div class="gallery">{tiles}</div>')


def _tile(contents: Contents, evaluation: Evaluation, position: int) -> str:
    path = contents.paths[position]
    name = escape(PurePath(path).name or path)
    truth, answer = int(evaluation.labels[position]), int(evaluation.predicted[position])
    chance = percent(float(evaluation.probabilities[position, answer]))
    right = truth == answer
    words = f"{escape(evaluation.classes[truth])} <span>→</span> {escape(evaluation.classes[answer])}"
    words = f"<b>{words}</b> {chance}" if not right else f"<b>{escape(evaluation.classes[answer])}</b> ✓ {chance}"
    try:
        data = base64.b64encode(_thumbnail(Path(path))).decode("ascii")
        picture = f'<img src="data:image/jpeg;base64,{data}" alt="{name}" width="{_SIDE}" height="{_SIDE}">'
    except (OSError, ValueError):  # not there any more, or not an image: the name is shown in its place
        picture = f'<div class="blank">{name}</div>'
    return f'<figure class="tile" title="{escape(path)}">{picture}<figcaption>{words}</figcaption></figure>'


def _thumbnail(path: Path) -> bytes:
    from PIL import Image

    if not path.is_file() or path.stat().st_size > _MOST_BYTES:  # a pipe would never end
        raise ValueError("no image file of a usual size")
    buffer = io.BytesIO()
    Image.fromarray(load(path, _SIDE, crop=1.0)).save(buffer, "JPEG", quality=78)
    return buffer.getvalue()
