#!/usr/bin/env bash
# Pillow 13.0.0 (NumPy 2.4.6, Python 3.11, Linux x86_64) opens PNG files of 16 bits a channel in two ways:
#
#   grey     mode "I;16", all 16 bits;
#   colours  mode "RGB", the high byte of each value alone, without a warning and without a sign in mode or info.
#
# So one instrument's grey and colour pictures differ: of 12 bits in 16 (0..4095), which is what satellites, microscopes and
# cameras write, colours keep 16 levels (0..15), and of 8 bits in 16 nothing: every pixel is 0. Nor does grey become right
# by convert("L"): that clips to 255 where it should scale. Read in the other byte order, by way of Image.tile, the file
# gives the low bytes.
#
# Seen:
#   grey    12 bits: mode I;16, greatest value 4095; convert("L"): 255, of 256 values 16 are below it
#   colours 12 bits: mode RGB, greatest value 15
#   colours  8 bits: mode RGB, greatest value 0
#   low bytes by the other byte order: equal to value & 255: True
#
# Exits with 1 if any of this changes. Needs Python and pip.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check pillow==13.0.0 numpy==2.4.6
"$folder/env/bin/python" - <<'PYTHON'
import io
import struct
import sys
import zlib

import numpy as np
from PIL import Image


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(values):
    """A 16-bit PNG, grey or in colours."""
    height, width, channels = values.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    head = struct.pack(">IIBBBBB", width, height, 16, 2 if channels == 3 else 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


steps = np.linspace(0, 4095, 256).astype(np.uint16).reshape(16, 16, 1)
grey = Image.open(io.BytesIO(png(steps)))
clipped = np.asarray(grey.convert("L"))
print(f'grey    12 bits: mode {grey.mode}, greatest value {np.asarray(grey).max()}; convert("L"): {clipped.max()}, '
      f"of 256 values {(clipped < 255).sum()} are below it")
colours = png(steps.repeat(3, axis=2))
high = Image.open(io.BytesIO(colours))
print(f"colours 12 bits: mode {high.mode}, greatest value {np.asarray(high).max()}")
black = Image.open(io.BytesIO(png((steps >> 4).repeat(3, axis=2))))
print(f"colours  8 bits: mode {black.mode}, greatest value {np.asarray(black).max()}")
low = Image.open(io.BytesIO(colours))
low.tile = [tile._replace(args="RGB;16L") for tile in low.tile]
is_low = bool((np.asarray(low) == steps & 255).all())
print(f"low bytes by the other byte order: equal to value & 255: {is_low}")

as_seen = (
    grey.mode == "I;16" and np.asarray(grey).max() == 4095 and (clipped < 255).sum() == 16
    and high.mode == black.mode == "RGB" and np.asarray(high).max() == 15 and np.asarray(black).max() == 0 and is_low
)
sys.exit(0 if as_seen else 1)
PYTHON
