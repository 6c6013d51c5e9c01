"""The command line on tables from two places: one model, and the same answers for the same numbers."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")

Call = Callable[..., tuple[int, str, str]]
GERMAN = str.maketrans(",.", ".,")


def written(values: pd.DataFrame, forms: dict[str, str], to: dict[int, int] | None = None) -> pd.DataFrame:
    """The same numbers as text."""
    return pd.DataFrame({name: [form.format(v).translate(to or {}) for v in values[name]] for name, form in forms.items()})


@pytest.fixture(scope="module")
def values() -> pd.DataFrame:
    """Flats: area, share, and a price that follows from them."""
    random = np.random.default_rng(0)
    area, share = random.uniform(20, 2000, 120).round(2), random.uniform(1, 90, 120).round(1)
    return pd.DataFrame({"area": area, "share": share, "price": (500 * area - 900 * share + 200_000).round(2)})


@pytest.fixture(scope="module")
def places(values: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The same table as it is saved in Germany, where the model is trained, in the United States, and as Parquet."""
    folder = tmp_path_factory.mktemp("places")
    german = written(values, {"area": "{:,.2f} m²", "share": "{:.1f} %", "price": "{:,.2f} €"}, GERMAN)
    american = written(values, {"area": "{:,.2f} m²", "share": "{:.1f}%", "price": "€{:,.2f}"})
    german.to_csv(folder / "german.csv", sep=";", index=False)
    american.to_csv(folder / "american.csv", index=False)
    german.to_parquet(folder / "german.parquet")
    return {name.stem + name.suffix: name for name in folder.iterdir()}


@pytest.fixture(scope="module")
def run(places: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A run on the German table."""
    import headstart

    out = tmp_path_factory.mktemp("numbers") / "run"
    return headstart.fit(places["german.csv"], target="price", trial=["table-linear"], out=out)


def predicted(answer: tuple[int, str, str]) -> list[float]:
    """The values that ``predict`` gave."""
    status, out, err = answer
    assert status == 0, err
    return [float(row["price"] if "price" in row else row["predicted"]) for row in csv.DictReader(io.StringIO(out))]


def test_answers_are_the_same_in_any_writing(run: Any, places: dict[str, Path], values: pd.DataFrame, call: Call) -> None:
    """Of both files, of Parquet, of a frame of text and of one of numbers; the other writing is reported, by column."""
    german = call("predict", run.path, places["german.csv"])
    american = call("predict", run.path, places["american.csv"])
    assert predicted(american) == predicted(german) == predicted(call("predict", run.path, places["german.parquet"]))
    assert "area: 120 of 120 cells do not have the format of the training data, which has decimal commas" in american[2]
    assert "share: 120 of 120 cells" in american[2]
    assert "cells are" not in german[2]
    frame = pd.read_csv(places["german.csv"], sep=";", dtype=str)
    assert run.predict(frame)["predicted"].tolist() == run.predict(values)["predicted"].tolist() == predicted(german)
    assert np.corrcoef(predicted(german), values["price"])[0, 1] > 0.99


def test_an_evaluation_reads_the_target_as_the_fit_did(run: Any, places: dict[str, Path], call: Call) -> None:
    """The error is in euros whatever the file, and the other writing of the target is reported."""
    signature = json.loads((run.path / "signature.json").read_text(encoding="utf-8"))
    assert signature["target_formats"]["price"] == {"decimal": ",", "thousands": ".", "whole": False, "unit": "€"}
    assert [column.get("unit") for column in signature["columns"]] == ["m²", "%"]
    told = [call("evaluate", run.path, places[name], "--json") for name in ("german.csv", "american.csv")]
    german, american = (json.loads(out) for _, out, _ in told)
    assert german["mae"] == american["mae"]
    assert "price: 120 of 120 cells do not have the format of the training data" in told[1][2]
