"""Benchmarks: images a second through Part A, against Keras ``predict`` and against what the processor allows.

Usage: python benchmarks/throughput.py DATA [--rounds 5] [--batch-size 32]

Three things are measured in turns, so that a noisy machine is noisy for all of them:

- ours: ``headstart.extract`` over every image below DATA into an empty store, for EfficientNet-Lite0. Decoding, the
  start of the decoding processes, loading the graph and writing the rows are inside the time.
- Keras: ``predict`` of the same network on the same files from ``keras.utils.image_dataset_from_directory``. Building
  the network and the first trace are outside the time, which is in its favour; listing and hashing are for both.
- peak: the fastest float32 matrix product of NumPy's BLAS on all cores, divided by what one image costs the network
  (2 operations a multiply-add, counted from the layers' shapes).

Exit 1 if ours is below ``--target-ratio`` times Keras, or below ``--target-share`` of the peak.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import keras

    from headstart.data.dataset import Dataset
    from headstart.features.part_a import PartA

_BACKBONE = "efficientnet_lite0"
_MATRIX = 3072  # large enough for BLAS to reach its best, small enough for a product to last a fraction of a second
_PRODUCTS = 4  # a round
_WARM_IMAGES = 64


def flops_per_image(model: keras.Model) -> int:
    """Floating-point operations of the convolutions for one image; the rest of the network is small beside them."""
    import keras

    total = 0
    for layer in model.layers:
        if isinstance(layer, keras.layers.Conv2D | keras.layers.DepthwiseConv2D):
            height, width, channels = layer.output.shape[1:]
            kernel = layer.kernel.shape  # (height, width, in, out), or (height, width, in, 1) for a depthwise one
            depth = 1 if isinstance(layer, keras.layers.DepthwiseConv2D) else kernel[2]
            total += 2 * height * width * channels * prod(kernel[:2]) * depth
    return total


def peak_flops(num_products: int = _PRODUCTS) -> float:
    """Operations a second of the best of a few matrix products."""
    a, b = (np.random.default_rng(i).random((_MATRIX, _MATRIX), dtype=np.float32) for i in range(2))
    out = np.empty_like(a)
    best = float("inf")
    for _ in range(num_products):
        start = time.perf_counter()
        np.matmul(a, b, out=out)
        best = min(best, time.perf_counter() - start)
    return 2 * _MATRIX**3 / best


def extraction_rate(dataset: Dataset, part: PartA) -> float:
    """Images a second of ``extract`` with an empty store."""
    from headstart.features.extraction import extract
    from headstart.features.feature_store import Store

    with tempfile.TemporaryDirectory(prefix="throughput-") as folder:
        store = Store(Path(folder))
        start = time.perf_counter()
        features = extract(dataset, part, store)
        seconds = time.perf_counter() - start
    if features.engine[0] != "openvino":
        name, reason = features.engine
        sys.exit(f"Part A ran on {name} ({reason}); this measures a CPU: hide the GPU from the backend")
    if features.failures:
        sys.exit(f"{len(features.failures)} images cannot be read; the sides would see different images")
    num_computed: int = features.num_computed  # copies of a picture are computed once, and count once
    return num_computed / seconds


def predict_rate(model: keras.Model, images: Any) -> float:
    """Images a second of ``predict``."""
    start = time.perf_counter()
    rows = model.predict(images, verbose=0)
    return len(rows) / (time.perf_counter() - start)


def main() -> int:
    """Measure in turns, print medians and spread, and judge."""
    arguments = _arguments()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with tempfile.TemporaryDirectory(prefix="throughput-cache-") as cache:
        os.environ["HEADSTART_CACHE"] = cache
        return _measure(arguments)


def _measure(arguments: argparse.Namespace) -> int:
    import keras

    from headstart.data.readers.folders.folder import read_folder
    from headstart.features.part_a import PartA

    part = PartA(_BACKBONE)
    dataset = read_folder(arguments.data)
    size = part.geometry.size
    images = keras.utils.image_dataset_from_directory(
        arguments.data,
        labels=None,
        image_size=(size, size),
        batch_size=arguments.batch_size,
        shuffle=False,
        verbose=False,
    )
    if len(images.file_paths) != len(dataset):
        found = f"Keras lists {len(images.file_paths)} images and headstart {len(dataset)}"
        sys.exit(f"{found}: use a folder of plain JPEG files")
    model = keras.Model(*part.tensors()[:2])
    # In Keras's favour: left to itself predict compiles by XLA, which makes these convolutions several times slower.
    model.compile(jit_compile=False)
    model.predict(images.take(2), verbose=0)
    extraction_rate(dataset.take(range(min(_WARM_IMAGES, len(dataset)))), part)
    flops = flops_per_image(model)
    ours, theirs, peaks = [], [], []
    for n in range(arguments.rounds):
        peaks.append(peak_flops() / flops)
        ours.append(extraction_rate(dataset, part))
        theirs.append(predict_rate(model, images))
        print(
            f"round {n + 1}: ours {ours[-1]:.0f}, Keras {theirs[-1]:.0f}, peak {peaks[-1]:.0f} images/s",
            file=sys.stderr,
        )
    print(f"{_BACKBONE} at {size} px, {flops / 1e9:.3f} GFLOP an image, {len(dataset)} images, {arguments.rounds} rounds")
    return _judge(arguments, ours, theirs, peaks)


def _judge(arguments: argparse.Namespace, ours: list[float], theirs: list[float], peaks: list[float]) -> int:
    print("images a second                        median     least      most")
    rows = (
        ("ours, decoding included", ours),
        ("Keras predict, decoding included", theirs),
        ("matrix-product peak", peaks),
    )
    for name, rates in rows:
        print(f"{name:34} {statistics.median(rates):10.1f} {min(rates):9.1f} {max(rates):9.1f}")
    ratio = statistics.median(ours) / statistics.median(theirs)
    share = statistics.median(ours) / max(
        peaks
    )  # the best product of all rounds is the nearest to what the processor can do
    failures = []
    for name, value, target in (
        ("ours / Keras", ratio, arguments.target_ratio),
        ("ours / best peak", share, arguments.target_share),
    ):
        print(f"{name:34} {value:10.2f}  (wanted: {target:g})")
        failures += [name] if value < target else []
    for name in failures:
        print(f"MISSED: {name}")
    return 1 if failures else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Images a second through Part A, against Keras and against the processor.")
    parser.add_argument("data", type=Path, metavar="DATA", help="folder of class folders, or of splits of them")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--batch-size", type=int, default=32, help="of Keras's predict")
    parser.add_argument("--target-ratio", type=float, default=2.0, metavar="R", help="least ours / Keras")
    parser.add_argument("--target-share", type=float, default=0.40, metavar="S", help="least ours / peak")
    arguments = parser.parse_args()
    if not arguments.data.is_dir() or arguments.rounds < 1 or arguments.batch_size < 1:
        parser.error("DATA is a folder; --rounds and --batch-size are at least 1")
    return arguments


if __name__ == "__main__":
    sys.exit(main())
