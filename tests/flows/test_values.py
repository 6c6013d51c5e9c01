"""The whole: numbers to predict, from photographs and from a table whose target spans nine decades."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import headstart as hs

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")


def _photographs(folder: Path, number: int) -> Path:
    """Noisy pictures of some blocks, each darkened by a factor of its own; the table holds their mean brightness."""
    folder.mkdir()
    rows = []
    for i in range(number):
        random = np.random.default_rng([7, i])
        blocks = np.kron(random.uniform(60, 255, (6, 6, 3)), np.ones((8, 8, 1)))
        pixels = np.clip((blocks + random.normal(0, 10, blocks.shape)) * random.uniform(0.3, 1.0), 0, 255)
        image = Image.fromarray(pixels.astype(np.uint8))
        image.save(folder / f"{i:03d}.png")
        rows.append([f"{i:03d}.png", f"{np.asarray(image, np.float64).mean():.3f}"])
    table = folder / "brightness.csv"
    with table.open("w", newline="") as file:
        csv.writer(file).writerows([["file", "brightness"], *rows])
    return table


def test_brightness_of_photographs(tmp_path: Path) -> None:
    """Plan scratch, on 160 small pictures, explains nine tenths of the variance of a test split that it has not seen."""
    run = hs.fit(_photographs(tmp_path / "photos", 160), plan="scratch", out=tmp_path / "run")
    evaluation = run.evaluation
    assert (evaluation["task"], evaluation["split"]) == ("regression", "test")
    assert evaluation["n"] >= 25
    assert evaluation["r2"] >= 0.9
    low, high = evaluation["mae_interval"]
    assert low <= evaluation["mae"] <= high < evaluation["baseline_mae"]
    signature = json.loads((run.path / "signature.json").read_text("utf-8"))
    assert signature["scaling_of_targets"]["log1p"] == [False]
    predicted = run.predict([str(tmp_path / "photos" / "000.png")])
    truth = float((tmp_path / "photos" / "brightness.csv").read_text().splitlines()[1].split(",")[1])
    assert list(predicted.columns) == ["path", "predicted"]
    assert abs(predicted["predicted"][0] - truth) < 40


def test_target_over_nine_decades(tmp_path: Path) -> None:
    """The logarithm is chosen by itself, nothing becomes NaN, and answers come in the user's units."""
    random = np.random.default_rng(3)
    features = random.normal(size=(300, 4))
    target = 10 ** np.clip(4.5 + 1.5 * features[:, 0] - features[:, 1] + 0.1 * random.normal(size=300), 0, 9)
    rows = [["a", "b", "c", "d", "price"], *np.column_stack([features, target]).tolist()]
    with (tmp_path / "prices.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    run = hs.fit(tmp_path / "prices.csv", trial=["table-linear", "table-dnn"], target="price", folds=0, out=tmp_path / "run")
    signature = json.loads((run.path / "signature.json").read_text("utf-8"))
    assert signature["scaling_of_targets"]["log1p"] == [True]
    board = run.leaderboard()
    assert np.isfinite(board["val_loss"]).all()
    assert board["val_loss"].min() < 0.1
    answers = run.predict(tmp_path / "prices.csv")["predicted"].to_numpy(float)
    assert np.isfinite(answers).all()
    assert np.median(np.abs(np.log10(answers + 1) - np.log10(target + 1))) < 0.2
