"""Make the demo photographs: the first of each class by SHA-256, re-encoded to a short side of 256 pixels.

Usage: python scripts/make_demo.py CLOTHING_FOLDER

The source is the small clothing data set (CC0). Nobody chose the photographs: the digests of the source files did.
"""

from __future__ import annotations

import sys
from pathlib import Path

from PIL import Image, ImageOps

from headstart.api import demo_folder
from headstart.foundation.fingerprint import file_digest

PER_CLASS = {"train": 40, "validation": 10, "test": 20}
SHORT_SIDE = 256
QUALITY = 62  # 8 MB at most for all of them


def main(source: Path) -> None:
    """Write the demo folder and say how large it is."""
    out = demo_folder()
    total = count = 0
    for split, number in PER_CLASS.items():
        for folder in sorted(p for p in (source / split).iterdir() if p.is_dir()):
            chosen = sorted(((file_digest(p), p) for p in folder.iterdir() if p.is_file()), key=lambda row: row[0])
            for digest, path in chosen[:number]:
                target = out / split / folder.name / f"{digest[:12]}.jpg"
                target.parent.mkdir(parents=True, exist_ok=True)
                with Image.open(path) as image:
                    upright = ImageOps.exif_transpose(image).convert("RGB")
                scale = SHORT_SIDE / min(upright.size)
                size = (round(upright.width * scale), round(upright.height * scale))
                upright.resize(size, Image.Resampling.LANCZOS).save(target, "JPEG", quality=QUALITY, optimize=True)
                total += target.stat().st_size
                count += 1
    print(f"{count} photographs, {total / 1e6:.2f} MB")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
