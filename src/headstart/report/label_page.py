"""The page of samples to label next: thumbnails of images, or rows of a table, with the predictions of the model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from headstart.report.formatting import decimal, plural
from headstart.report.page import Markup, escape, page, paragraph, table
from headstart.report.places import Places
from headstart.report.thumbnails import gallery, thumbnails, tile

__all__ = ["label_page"]


def label_page(name: str, signature: Mapping[str, Any], samples: Sequence[Mapping[str, Any]], places: Places) -> str:
    """Build the page as HTML without scripts, which needs no other file.

    Args:
        name: Name of the run.
        signature: Content of its ``signature.json``.
        samples: Rows of the table of samples to label, as mappings, without those that cannot be read.
        places: Shortens the paths of files for the page.
    """
    is_table = "encoding" in signature
    noun = "row" if is_table else "image"
    lead = paragraph(
        f"The {plural(len(samples), noun)} that help the model of {name} most, the most useful first. Write labels into the "
        "column label of to_label.csv."
    )
    header = Markup(f"<header><h1>{escape('To label next')}</h1>{lead}</header>")
    if is_table:
        rows = [(f"Row {sample['row']}", *_words(sample)) for sample in samples]
        return page("To label next", header, [], [table(("", "Predicted", "Uncertainty"), rows, words=2)])
    small = thumbnails(signature, [str(sample["path"]) for sample in samples])
    tiles = []
    for number, sample in enumerate(samples, start=1):
        predicted, uncertainty = _words(sample)
        words = Markup(f"<b>{number}. {escape(predicted)}</b><br>{escape(f'Uncertainty {uncertainty}')}")
        tiles.append(tile(places.name(str(sample["path"])), small.get(str(sample["path"])), words))
    return page("To label next", header, [], [gallery(tiles)])


def _words(sample: Mapping[str, Any]) -> tuple[str, str]:
    predicted = [str(cell) for name, cell in sample.items() if name.startswith("predicted")]
    return "; ".join(predicted), decimal(float(sample["uncertainty"]), 2)
