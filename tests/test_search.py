"""The search: what becomes of trials that do not end well, or not at once, beside those that do."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import headstart as hs
from headstart import attempt
from headstart.batches import RowBatches
from headstart.features import Features, extract
from headstart.networks import NETWORKS

pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning",  # Keras 3.15 with NumPy 2
)


def broken(rows: Any) -> Any:
    """A network that cannot be built."""
    raise ValueError(f"no such axis\nin {rows}")


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """The budget ends Part A of the larger images before its first row, as it does where a prediction was too bright."""

    def until_deadline(*arguments: Any, **options: Any) -> Features:
        is_larger = any(getattr(argument, "side", 0) == 128 for argument in arguments)
        return extract(*arguments, **options | ({"deadline": 0.0} if is_larger else {}))

    monkeypatch.setattr(attempt, "extract", until_deadline)


@pytest.mark.usefixtures("hurried")
def test_a_trial_that_does_not_end_well_is_a_row_with_its_reason(photos: Callable[..., Path], tmp_path: Path) -> None:
    """The others go on without it, and the run ends with the best of them."""
    try:
        run = hs.fit(photos(per_class=8), trial=["avg-linear", broken, "avg-128px-linear", "linear"], out=tmp_path / "run")
    finally:
        NETWORKS.pop("broken")
    table = run.leaderboard().set_index("trial")
    assert dict(table["status"]) == {
        "efficientnet_lite0-avg-linear": "done",
        "efficientnet_lite0-grid2-linear": "done",
        "efficientnet_lite0-grid2-broken": "failed",
        "efficientnet_lite0-avg-128px-linear": "skipped",
    }
    assert table.loc["efficientnet_lite0-grid2-broken", "reason"] == "ValueError: no such axis"
    assert "before every image had a row" in table.loc["efficientnet_lite0-avg-128px-linear", "reason"]
    assert run.to_json()["status"] == "done"
    assert table.loc[run.to_json()["best"]["trial"], "status"] == "done"


def test_where_memory_does_not_suffice_the_batch_is_halved(
    photos: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until it does; the recipe says what was used in the end."""
    sizes = []
    batch = RowBatches.__getitem__

    def greedy(self: RowBatches, index: int) -> Any:
        sizes.append(self.batch_size)
        if self.batch_size > 2:
            raise MemoryError
        return batch(self, index)

    monkeypatch.setattr(RowBatches, "__getitem__", greedy)
    run = hs.fit(photos(per_class=8), trial="avg-mlp", out=tmp_path / "run")
    assert list(dict.fromkeys(sizes)) == [8, 4, 2]
    (row,) = run.to_json()["trials"]
    assert row["status"] == "done"
    recipe = json.loads((run.path / "trials" / row["trial"] / "recipe.json").read_text())
    assert recipe["batch_size"] == 2
