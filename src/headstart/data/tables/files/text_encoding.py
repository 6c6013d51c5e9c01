"""Detection of the encoding of a text file."""

from __future__ import annotations

import codecs
import re

__all__ = ["as_utf8"]

_STRAY_BYTE = re.compile("[\udc80-\udcff]")  # as decoded by surrogateescape
_BLOCK_BYTES = 1 << 20


def as_utf8(content: bytes) -> bytes:
    """The text of a file in UTF-8, without a byte order mark.

    Raises:
        ValueError: The file is not text.
    """
    if not _is_utf8(content):
        content = _decoded(content).encode()
    content = content.removeprefix(codecs.BOM_UTF8)
    start = content[:100_000]
    num_controls = sum(map(start.count, (*map(_byte, range(9)), *map(_byte, range(14, 32)))))
    if b"\0" in content or num_controls > len(start) / 100:
        raise ValueError("the file is not text")
    return content


def _byte(number: int) -> bytes:
    return bytes([number])


def _is_utf8(content: bytes) -> bool:
    """Whether a file is UTF-8 throughout; it is decoded in blocks, so that no second copy is in memory."""
    if content.isascii():
        return True
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        for place in range(0, len(content), _BLOCK_BYTES):
            decoder.decode(content[place : place + _BLOCK_BYTES], final=place + _BLOCK_BYTES >= len(content))
    except UnicodeDecodeError:
        return False
    return True


def _decoded(content: bytes) -> str:
    is_utf16 = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    text = None if is_utf16 else _mostly_utf8(content)
    if text is None:
        encodings = ("utf-16",) if is_utf16 else ("cp1252", "latin-1")
        text = next((text for encoding in encodings if (text := _decoded_as(content, encoding)) is not None), "\0")
    return text


def _mostly_utf8(content: bytes) -> str | None:
    """Decode UTF-8 with some bytes of a Western code page; None if these are at least as many as the non-ASCII letters."""
    text = content.decode("utf-8-sig", "surrogateescape")
    num_strays = len(_STRAY_BYTE.findall(text))
    num_letters = len(text) - len(text.encode("ascii", "ignore")) - num_strays
    if num_strays and num_strays >= num_letters:
        return None
    return _STRAY_BYTE.sub(lambda found: bytes([ord(found[0]) & 0xFF]).decode("cp1252", "replace"), text)


def _decoded_as(content: bytes, encoding: str) -> str | None:
    try:
        return content.decode(encoding)
    except UnicodeDecodeError:
        return None
