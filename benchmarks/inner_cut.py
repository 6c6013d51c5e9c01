"""Benchmarks: an epoch behind an inner cut, against plain Keras that runs the frozen part again in every epoch.

Usage: python benchmarks/inner_cut.py DATA [--trial NAME] [--epochs 5] [--target-ratio 4]

Both sides train the same layers from the same weights, by the same optimizer at the same rates, in the same batches and
order. (a) reads what stands before the cut from the store, where it lies in half precision. (b) is the whole network with
the layers before the cut frozen, as a notebook has it; its images are decoded beforehand and lie in memory, which no
notebook's do. The first epoch of each is left out: it pays for tracing. Exit 1 if (a) is not ``--target-ratio`` times as
fast, or if the ``val_loss`` of both differ by more than ``--target-gap``.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

_RATE = 1e-3
_TAIL_RATE = 0.1


def main() -> int:
    """Train both, print the comparison."""
    arguments = _arguments()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with tempfile.TemporaryDirectory(prefix="inner-cut-") as cache:
        os.environ["HEADSTART_CACHE"] = cache
        return _compare(arguments)


def _compare(arguments: argparse.Namespace) -> int:
    from headstart.data.readers.folders.folder import read_folder
    from headstart.features.extraction import extract
    from headstart.models.fitting import open_store, prepare
    from headstart.training.trials.trial import parse_trial

    trial = parse_trial(arguments.trial)
    dataset = read_folder(arguments.data)
    rows = extract(dataset, trial.part, open_store())
    pixels = extract(dataset, replace(trial.part, stage="pixels"), open_store())
    cut, split_rows = prepare(dataset, rows, validation=0.2, seed=0)
    _, split_pixels = prepare(dataset, pixels, validation=0.2, seed=0)
    sides: dict[str, Callable[[], tuple[Any, Any]]] = {
        "(a) from the store": lambda: _part_b(trial, cut),
        "(b) frozen part re-run": lambda: _whole(trial, cut),
    }
    features = dict(zip(sides, (split_rows, split_pixels), strict=True))
    print(f"{arguments.trial}: {len(cut.indices('train'))} train, {len(cut.indices('validation'))} validation")
    print(f"Part A, paid once by (a): {rows.seconds:.1f} s")
    medians, losses = [], []
    for name, build in sides.items():
        seconds, loss = _train(build, features[name], cut, arguments)
        medians.append(statistics.median(seconds[1:]))
        losses.append(loss)
        print(f"{name:24} epoch {medians[-1]:7.2f} s (median of {len(seconds) - 1}), best val_loss {loss:.4f}")
    ratio, gap = medians[1] / medians[0], losses[0] - losses[1]
    print(f"an epoch of Part B is {ratio:.1f} times as fast; val_loss differs by {gap:+.4f}")
    return 0 if ratio >= arguments.target_ratio and abs(gap) <= arguments.target_gap else 1


def _joined(trial: Any, dataset: Any) -> Any:
    import keras

    from headstart.training.networks.networks import build_head, join

    keras.utils.set_random_seed(0)  # both sides begin with the same head
    network, task, classes = trial.recipe.network, dataset.task, dataset.num_classes
    return join(trial.part, lambda shape: build_head(network, shape, task, classes))


def _part_b(trial: Any, dataset: Any) -> tuple[Any, Any]:
    joined = _joined(trial, dataset)
    return joined.part_b, joined.tail


def _whole(trial: Any, dataset: Any) -> tuple[Any, Any]:
    joined = _joined(trial, dataset)
    trained = {id(layer) for layer in joined.part_b.layers}
    for layer in joined.whole.layers:
        if id(layer) not in trained:
            layer.trainable = False
    return joined.whole, joined.tail


def _train(build: Callable[[], tuple[Any, Any]], features: Any, dataset: Any, arguments: argparse.Namespace) -> Any:
    """Seconds of each epoch's training, and the least ``val_loss``; scoring is not in the seconds."""
    import keras

    from headstart.data.tasks import TASKS
    from headstart.training.row_batches import RowBatches, predict_rows
    from headstart.training.schedules import slow_down

    model, tail = build()
    optimizer = keras.optimizers.Adam(_RATE)
    slow_down(optimizer, tail, _TAIL_RATE)
    task = TASKS[dataset.task]
    model.compile(optimizer=optimizer, loss=task.loss, jit_compile=False)
    train, validation = dataset.indices("train"), dataset.indices("validation")
    labels = dataset.labels[train]
    batches = RowBatches(features.rows(train), labels, arguments.batch_size)
    val_rows = features.rows(validation)
    starts: list[float] = []
    seconds: list[float] = []
    losses: list[float] = []

    def score(*_: object) -> None:
        seconds.append(time.perf_counter() - starts[-1])
        probabilities = task.to_answers(np.asarray(predict_rows(model, val_rows)))
        losses.append(task.score(dataset.labels[validation], probabilities))

    clock = keras.callbacks.LambdaCallback(on_epoch_begin=lambda *_: starts.append(time.perf_counter()), on_epoch_end=score)
    model.fit(batches, epochs=arguments.epochs, verbose=0, shuffle=False, callbacks=[clock])
    return seconds, min(losses)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="An epoch behind an inner cut, against the frozen part re-run.")
    parser.add_argument("data", type=Path, metavar="DATA", help="folder of labelled images")
    parser.add_argument("--trial", default="efficientnet_lite0-stage6_block4-avg-linear", help="a trial with an inner cut")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--target-ratio", type=float, default=4.0, metavar="R")
    parser.add_argument("--target-gap", type=float, default=0.05, metavar="G", help="largest difference of val_loss")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
