"""Data: the photographs that ship with Headstart, so that a first run needs no data and no network."""

from __future__ import annotations

from pathlib import Path

__all__ = ["demo_folder"]


def demo_folder() -> Path:
    """The folder of the demo: ``clothing/{train,validation,test}/<class>/*.jpg``; its NOTICE.md names source and licence."""
    return Path(__file__).parent / "demo_images" / "clothing"
