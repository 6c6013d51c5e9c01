"""The report: a page made of whatever the run folder holds."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from headstart.metrics import Evaluation, evaluate_predictions
from headstart.report import SECTIONS, write_report
from headstart.runfolder import RunFolder, append_json_line, write_csv, write_json

CLASSES = ("ankle boot", "bag", "coat", "한국어 <script>alert(1)</script>", "dress", "$x$ & co", "shirt", "t-shirt")
TRIALS = ("efficientnet_lite0-grid2-linear", "efficientnet_lite0-linear", "efficientnet_lite0-mlp", "lite1-grid2-mlp")
LEADERBOARD = (
    "rank,trial,status,part_a,part_b,val_loss,val_accuracy,part_a_seconds,part_a_cached,part_b_seconds,"
    "total_seconds,num_params,ms_per_sample,file_mb,on_front,reason"
).split(",")


def make_image(path: Path, number: int, rng: np.random.Generator) -> None:
    """Write a small picture: a shape whose kind and colour follow the class."""
    shade = tuple(int(v) for v in rng.integers(190, 240, 3))
    image = Image.new("RGB", (120, 90), shade)
    draw = ImageDraw.Draw(image)
    box = [int(v) for v in (*rng.integers(10, 30, 2), *rng.integers(60, 85, 2))]
    colour = tuple(int(v) for v in np.random.default_rng(number).integers(30, 200, 3))
    (draw.ellipse if number % 2 else draw.rectangle)(box, fill=colour)
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path)


def make_evaluation(folder: Path, classes: tuple[str, ...], n: int, split: str) -> Evaluation:
    """Write evaluation.json and predictions.csv with their images; every fifth image is missing."""
    rng = np.random.default_rng(7)
    labels = rng.integers(0, len(classes), n)
    scores = rng.normal(size=(n, len(classes)))
    scores[np.arange(n), labels] += 2.6
    probabilities = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    task = "binary" if len(classes) == 2 else "multiclass"
    result = evaluate_predictions(task, classes, labels, probabilities, split=split)
    write_json(folder / "evaluation.json", result.to_json())
    rows = []
    for i, (label, row) in enumerate(zip(labels, probabilities, strict=True)):
        path = folder.parent / "images" / f"{i:04d} <b>&.png"
        if i % 5:
            make_image(path, int(label), rng)
        rows.append([str(path), classes[label], classes[int(result.predicted[i])], *row])
    write_csv(folder / "predictions.csv", ["path", "label", "predicted", *(f"p_{name}" for name in classes)], rows)
    return result


def make_trials(folder: RunFolder, names: tuple[str, ...]) -> None:
    """Write leaderboard.csv with one failed trial more, and the history of each."""
    rows: list[list[Any]] = []
    for i, name in enumerate(names):
        part_a, part_b = (24.0, 3.1, 3.1, 21.5)[i], (1.6, 1.4, 4.0, 9.5)[i]
        loss = (0.52, 0.61, 0.66, 0.55)[i]
        numbers = [loss, 0.83 - 0.03 * i, part_a, i == 1, part_b, part_a + part_b, 41_000 * (i + 1), 1.9, 14.2]
        rows.append([i + 1, name, "done", "efficientnet_lite0", "linear", *numbers, i in (0, 1), ""])
        for epoch in range(1, 16):
            row = {"epoch": epoch, "loss": 2.1 / epoch**0.9, "val_loss": 0.5 + 0.1 * i + 1.6 / epoch, "seconds": 0.1}
            append_json_line(folder.trial(name) / "history.jsonl", row)
    rows.append(["", "one_vs_rest-<i>x</i>", "failed", "efficientnet_lite0", "ovr", *[None] * 9, False, "the <budget> was over"])
    write_csv(folder.path / "leaderboard.csv", LEADERBOARD, rows)


def make_state(folder: RunFolder, **changes: object) -> None:
    """Write run.json of a finished run, with changes."""
    best = {"trial": TRIALS[0], "val_loss": 0.52, "val_accuracy": 0.83, "total_seconds": 4.6}
    seconds = {"scan": 0.42, "features": 3.1, "train": 6.25, "evaluate": 0.4, "export": 2.9, "report": 1.2}
    state: dict[str, object] = {
        "run": "runs/clothing-001", "data_name": "clothing <small>", "task": "multiclass",
        "task_reason": "8 classes → multiclass", "classes": list(CLASSES), "status": "done", "seed": 42, "plan": "quick",
        "budget_seconds": 120, "best": best, "stages": seconds, "wall_seconds": 21.7, "num_skipped": 3,
        "num_samples": {"train": 3068, "validation": 341, "test": 372}, "made_splits": ["validation"],
        "machine": {"system": "Linux 6.1, x86_64", "processor": "2 cores, AVX2", "memory": "8 GB", "threads": "2"},
        "versions": {"headstart": "0.1.0", "python": "3.11", "keras": "3.15.1", "openvino": "2026.4"},
        "engine": {"name": "openvino", "reason": "fastest of two in a trial of 32 images"}, "test_looks": 1,
    }  # fmt: skip
    folder.write_state(state | changes)


def make_run(root: Path, classes: tuple[str, ...] = CLASSES, n: int = 372, split: str = "test") -> RunFolder:
    """A finished run with everything in it."""
    folder = RunFolder.create(root / "clothing-001", "clothing")
    make_state(folder, classes=list(classes))
    make_trials(folder, TRIALS)
    result = make_evaluation(folder.path, classes, n, split)
    names = [classes[label] for label in result.labels]
    rows = [(f"{k}/{i}.png", name, k) for k in ("train", "validation", "test") for i, name in enumerate(names)]
    write_csv(folder.path / "splits.csv", ["path", "label", "split"], rows)
    left_out = [(f"coat/broken {i}.png", "the image is cut short") for i in range(3)]
    write_csv(folder.path / "skipped.csv", ["path", "reason"], left_out)
    kinds = (("D101", "info"), ("D204", "warning"), ("D301", "error"))
    findings = [
        {
            "code": code, "severity": severity, "title": f"Some images <{severity}> are nearly the same",
            "measured": {"pairs": 12, "images": 3068}, "why": "A copy in two splits makes the score look better than it is.",
            "advice": "Look at the pairs, and keep them on one side.",
        }
        for code, severity in kinds
    ]  # fmt: skip
    write_json(folder.path / "findings.json", findings)
    return folder
