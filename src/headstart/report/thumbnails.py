"""Thumbnails of image files, embedded in a page."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePath
from typing import Any

from headstart.data.images.decode_pool import DecodePool
from headstart.data.images.geometry import Geometry
from headstart.data.images.rendering import Rendering
from headstart.foundation.errors import DatasetError
from headstart.foundation.machine import usable_cores
from headstart.report.contents import MALFORMED
from headstart.report.page import Markup, escape

__all__ = ["gallery", "thumbnails", "tile"]

_SIDE = 160


def gallery(tiles: Sequence[Markup]) -> Markup:
    """Tiles side by side."""
    return Markup(f'<div class="gallery">{"".join(tiles)}</div>')


def tile(place: str, small: bytes | None, words: Markup) -> Markup:
    """A sample as a thumbnail with words; the file name replaces a thumbnail that could not be made.

    Args:
        place: Path of the file as the page shows it.
        small: The thumbnail, as ``thumbnails`` makes it.
        words: What stands below it.
    """
    name = escape(PurePath(place).name or place)
    picture = f'<div class="blank">{name}</div>'
    if small is not None:
        data = base64.b64encode(small).decode("ascii")
        picture = f'<img src="data:image/jpeg;base64,{data}" alt="{name}" width="{_SIDE}" height="{_SIDE}">'
    return Markup(f'<figure class="tile" title="{escape(place)}">{picture}<figcaption>{words}</figcaption></figure>')


def thumbnails(signature: Mapping[str, Any], paths: Sequence[str]) -> dict[str, bytes]:
    """JPEG thumbnails of the image files, decoded in bounded processes and framed as the network saw them."""
    from PIL import Image

    files = [path for path in dict.fromkeys(paths) if _is_file(path)]  # reading a pipe might never end
    small = {}
    with DecodePool(_geometry(signature), min(usable_cores(), max(1, len(files)))) as pool:
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


def _geometry(signature: Mapping[str, Any]) -> Geometry:
    try:
        return Geometry(_SIDE, 1.0, "bicubic", *Rendering.from_json(signature))
    except (*MALFORMED, DatasetError):  # the run has no model yet, or its signature is malformed
        return Geometry(_SIDE, 1.0)
