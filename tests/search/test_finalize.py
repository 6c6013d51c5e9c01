"""The end of a run: the saved model must reproduce the measured predictions, or the fit fails."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import headstart as hs
from headstart.features import engines
from headstart.features.tables import table_features
from headstart.foundation.errors import TrainingError
from headstart.search import finalize as ship
from headstart.search.run import Run

# Keras 3.15 on TensorFlow asks NumPy 2 for arrays in the way of NumPy 1.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")

Array = np.ndarray[Any, Any]


@pytest.fixture(autouse=True)
def on_a_cpu(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No GPU and an empty cache."""
    monkeypatch.setattr(engines, "has_gpu", lambda: False)
    monkeypatch.setenv("HEADSTART_CACHE", str(tmp_path / "cache"))


def fails(run: Path, fit: Callable[[], Run]) -> None:
    """Assert that the fit ends with H310 and that its run is not complete."""
    with pytest.raises(TrainingError) as caught:
        fit()
    assert caught.value.code == "H310"
    assert json.loads((run / "run.json").read_text("utf-8"))["status"] == "failed"
    assert not (run / "manifest.json").exists()


def test_golden_check_catches_features_of_another_network(
    photos: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Part A with other rows than the saved model computes, as from a damaged graph, ends the fit with H310."""
    right = engines.OpenVINOEngine.run

    def wrong(self: Any, images: Iterator[tuple[int, Array]]) -> Iterator[tuple[int, Array]]:
        for number, row in right(self, images):
            yield number, row[::-1].copy()

    monkeypatch.setattr(engines.OpenVINOEngine, "run", wrong)
    folder = photos(per_class=6)
    fails(tmp_path / "run", lambda: hs.fit(folder, trial="linear", folds=0, out=tmp_path / "run"))


def test_golden_check_catches_rows_of_another_encoder(
    make_table: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An encoder with other rows in training than in the saved file ends the fit with H310."""
    right = table_features.encode_typed
    monkeypatch.setattr(table_features, "encode_typed", lambda *given: right(*given) + 0.5)
    table = make_table(tmp_path / "table.csv", "regression")
    fails(tmp_path / "run", lambda: hs.fit(table, trial="table-linear", target="heat", folds=0, out=tmp_path / "run"))


@pytest.mark.parametrize("task", ["binary", "multiclass", "multilabel", "regression"])
def test_golden_check_passes_with_a_wide_margin(
    task: str, make_table: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For every task, predictions from stored rows and of the saved model agree to a tenth of the allowed difference."""
    monkeypatch.setattr(ship, "_MAX_DIFFERENCE", 1e-4)
    table = make_table(tmp_path / "table.csv", task)
    targets = {"multilabel": "wet,cold", "regression": "price,heat"}.get(task)
    run = hs.fit(table, trial=["table-linear", "table-trees"], target=targets, folds=0, out=tmp_path / "run")
    assert (run.path / "manifest.json").exists()
