"""``headstart extend``: more samples and classes for a finished run, as a new run."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import headstart as hs
from headstart.foundation.errors import HeadstartError
from headstart.foundation.progress import Silent
from headstart.foundation.runs.files import read_csv

pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning",  # Keras 3.15 with NumPy 2
)

Call = Callable[..., tuple[int, str, str]]
LINEAR = "efficientnet_lite0-grid2-linear"
SPLITS = {"train": 10, "validation": 5, "test": 5}


class Told(Silent):
    """Keeps what is said."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        """Note a line."""
        self.lines.append(text)


def splits_of(run: hs.Run) -> dict[str, str]:
    """Split of each sample by its path."""
    return {row.get("path") or row["row"]: row["split"] for row in read_csv(run.path / "splits.csv")}


def weights_of(run: hs.Run) -> list[Any]:
    """Weights of the head."""
    return hs.Model.load(run.path).part_b.network.get_weights()


@pytest.fixture(scope="module")
def old(make_photos: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> hs.Run:
    """A run on circles and squares, which Headstart has split."""
    folder = tmp_path_factory.mktemp("extend")
    photos = make_photos(folder / "two", classes=("circle", "square"), per_class=20)
    return hs.fit(photos, trial=LINEAR, out=folder / "run", progress=False)


@pytest.fixture(scope="module")
def triangles(old: hs.Run, make_photos: Callable[..., Path]) -> Path:
    """Photos of a third class, in a folder with nothing else."""
    folder = make_photos(old.path.parent / "all", per_class=20, seed=3)
    shutil.move(folder / "triangle", (more := old.path.parent / "more") / "triangle")
    return more


def test_a_class_is_added_and_only_its_images_are_computed(old: hs.Run, triangles: Path) -> None:
    """The old samples keep their splits, the new ones are divided as fit would; the old run stays as it was."""
    before = {path.name: path.read_bytes() for path in old.path.iterdir() if path.is_file()}
    told = Told()
    new = hs.extend(old, triangles, out=old.path.parent / "extended", progress=told)
    assert "40 images of" in told.lines[0] and "20 new ones" in told.lines[0]  # noqa: PT018 - one line
    assert "20 rows computed, 40 read from the store" in told.lines
    assert new.folder.state["classes"] == ["circle", "square", "triangle"]
    assert new.folder.state["task"] == "multiclass"
    assert [row["trial"] for row in new.folder.state["trials"]] == [LINEAR]
    splits, earlier = splits_of(new), splits_of(old)
    assert {path: splits[path] for path in earlier} == earlier
    assert Counter(split for path, split in splits.items() if path not in earlier) == {
        "train": 12,
        "validation": 4,
        "test": 4,
    }
    assert {path.name: path.read_bytes() for path in old.path.iterdir() if path.is_file()} == before
    assert new.predict([str(next((triangles / "triangle").iterdir()))])["predicted"].tolist() == ["triangle"]


def test_predictions_are_those_of_a_fit_on_all_of_them(make_photos: Callable[..., Path], tmp_path: Path) -> None:
    """With splits of the user, so that both have the same."""
    whole = make_photos(tmp_path / "whole", splits=SPLITS)
    for split in SPLITS:
        (tmp_path / "part" / split).mkdir(parents=True)
        (tmp_path / "more" / split).mkdir(parents=True)
        for name in ("circle", "square"):
            shutil.copytree(whole / split / name, tmp_path / "part" / split / name)
        shutil.copytree(whole / split / "triangle", tmp_path / "more" / split / "triangle")
    run = hs.fit(tmp_path / "part", trial=LINEAR, out=tmp_path / "run", progress=False)
    extended = hs.extend(run, tmp_path / "more", out=tmp_path / "extended", progress=False)
    anew = hs.fit(whole, trial=LINEAR, out=tmp_path / "anew", progress=False)
    assert Counter(splits_of(extended).values()) == Counter(splits_of(anew).values())
    paths = [str(path) for path in sorted(whole.glob("test/*/*.jpg"))]
    columns = ["p_circle", "p_square", "p_triangle"]
    np.testing.assert_allclose(extended.predict(paths)[columns], anew.predict(paths)[columns], atol=1e-4)
    assert extended.evaluation["loss"] == pytest.approx(anew.evaluation["loss"], abs=1e-4)


def test_copies_follow_the_run_and_equal_files_are_left_out(
    old: hs.Run, triangles: Path, tmp_path: Path, call: Call
) -> None:
    """A brightened copy of a test image is for the test; the very image is listed as skipped."""
    from PIL import Image, ImageEnhance

    test = [path for path, split in splits_of(old).items() if split == "test"]
    name = Path(test[0]).parent.name
    shutil.copytree(triangles, tmp_path / "new")
    (tmp_path / "new" / name).mkdir()
    source = Path(test[0])
    (tmp_path / "new" / name / "same.jpg").write_bytes(source.read_bytes())
    with Image.open(source) as image:
        ImageEnhance.Brightness(image).enhance(1.02).save(tmp_path / "new" / name / "brighter.jpg", quality=95)
    code, _, _ = call("extend", old.path, tmp_path / "new", "--out", tmp_path / "run", "--quiet")
    assert code == 0
    run = hs.Run(tmp_path / "run")
    assert splits_of(run)[str(tmp_path / "new" / name / "brighter.jpg")] == "test"
    skipped = {row["path"]: row["reason"] for row in read_csv(run.path / "skipped.csv")}
    assert skipped == {str(tmp_path / "new" / name / "same.jpg"): "it is in the run already"}


def test_the_list_of_label_can_be_filled_in_and_extends_the_run(old: hs.Run, triangles: Path, tmp_path: Path) -> None:
    """From label to extend: rows that stay blank are skipped."""
    old.label(triangles, number=10, out=tmp_path / "next")
    listed = pd.read_csv(tmp_path / "next" / "to_label.csv")
    listed["label"] = ["triangle"] * 9 + [None]
    listed.to_csv(tmp_path / "next" / "to_label.csv", index=False)
    run = hs.extend(old, tmp_path / "next" / "to_label.csv", out=tmp_path / "run", progress=False)
    assert run.folder.state["classes"] == ["circle", "square", "triangle"]
    assert sum(run.folder.state["num_samples"].values()) == 49
    again = hs.extend(run, triangles, out=tmp_path / "again", progress=False)  # a run that extends another one
    assert sum(again.folder.state["num_samples"].values()) == 60
    earlier = splits_of(run)
    assert {path: split for path, split in splits_of(again).items() if path in earlier} == earlier


def test_an_extended_run_can_be_resumed(
    old: hs.Run, triangles: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a kill before its model, it ends with the same weights."""
    whole = hs.extend(old, triangles, out=tmp_path / "whole", progress=False)
    with monkeypatch.context() as patch:
        patch.setattr("headstart.search.search._finish", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            hs.extend(old, triangles, out=tmp_path / "killed", progress=False)
    resumed = hs.resume(tmp_path / "killed", progress=False)
    assert splits_of(resumed) == splits_of(whole)
    assert resumed.evaluation == whole.evaluation
    for mine, theirs in zip(weights_of(resumed), weights_of(whole), strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_rows_of_a_table(make_table: Callable[..., Path], tmp_path: Path) -> None:
    """New rows are named by their file; a kind that the first rows did not have is a new class."""
    frame = pd.read_csv(make_table(tmp_path / "table.csv", "multiclass", rows=300))
    first = frame[frame["kind"] != "oak"][:150]
    first.to_csv(tmp_path / "first.csv", index=False)
    frame.drop(first.index).to_csv(tmp_path / "more.csv", index=False)
    run = hs.fit(tmp_path / "first.csv", target="kind", trial="table-linear", out=tmp_path / "run", progress=False)
    assert run.folder.state["task"] == "binary"
    extended = hs.extend(run, tmp_path / "more.csv", out=tmp_path / "extended", progress=False)
    assert extended.folder.state["classes"] == ["ash", "elm", "oak"]
    assert sum(extended.folder.state["num_samples"].values()) == 300
    rows = {row["row"]: row["split"] for row in read_csv(extended.path / "splits.csv")}
    earlier = {row["row"]: row["split"] for row in read_csv(run.path / "splits.csv")}
    assert {row: rows[row] for row in earlier} == earlier
    assert sum(row.startswith("more.csv:") for row in rows) == len(rows) - len(earlier)
    assert "oak" in set(extended.predict(tmp_path / "more.csv")["predicted"])


def test_a_regression_is_extended_by_rows(make_table: Callable[..., Path], tmp_path: Path) -> None:
    """Two targets; nothing but rows is new."""
    frame = pd.read_csv(make_table(tmp_path / "table.csv", "regression", rows=300))
    frame[:200].to_csv(tmp_path / "first.csv", index=False)
    frame[200:].to_csv(tmp_path / "more.csv", index=False)
    options = {"target": "price,heat", "trial": "table-linear", "progress": False}
    run = hs.fit(tmp_path / "first.csv", out=tmp_path / "run", **options)
    extended = hs.extend(run, tmp_path / "more.csv", out=tmp_path / "extended", progress=False)
    assert extended.folder.state["classes"] == ["price", "heat"]
    assert sum(extended.folder.state["num_samples"].values()) == 300


def test_a_mean_of_heads_is_made_anew(make_photos: Callable[..., Path], triangles: Path, tmp_path: Path) -> None:
    """The trials behind the model of the run are fitted again, and so is their mean."""
    photos = make_photos(tmp_path / "two", classes=("circle", "square"), per_class=20)
    run = hs.fit(photos, out=tmp_path / "run", epochs=3, progress=False)
    extended = hs.extend(run, triangles, out=tmp_path / "extended", progress=False)
    assert extended.folder.state["classes"] == ["circle", "square", "triangle"]
    shipped = run.folder.state["best"]["trial"]
    heads = {LINEAR, "efficientnet_lite0-grid2-mlp"}
    named = {row["trial"] for row in extended.folder.state["trials"]}
    assert named == (heads | {"ensemble"} if shipped == "ensemble" else {shipped})
    assert extended.folder.state["request"]["epochs"] == 3


def test_what_cannot_extend_a_run_is_explained(
    old: hs.Run, triangles: Path, make_table: Callable[..., Path], tmp_path: Path, call: Call
) -> None:
    """Nothing new, another kind of data, data that are gone, and data that were never on disk."""
    code, _, err = call("extend", old.path, old.path.parent / "two", "--out", tmp_path / "a", "--quiet")
    assert (code, "H055" in err, "40 of them in the run already" in err) == (2, True, True)
    table = make_table(tmp_path / "table.csv", "binary")
    code, _, err = call("extend", old.path, table, "--out", tmp_path / "b", "--quiet")
    assert (code, "H054" in err) == (2, True)
    memory = hs.fit(hs.read_folder(triangles.parent / "two"), trial=LINEAR, out=tmp_path / "memory", progress=False)
    with pytest.raises(HeadstartError) as raised:
        hs.extend(memory, triangles)
    assert raised.value.code == "H511"
    shutil.copytree(old.path.parent / "two", tmp_path / "gone")
    run = hs.fit(tmp_path / "gone", trial=LINEAR, out=tmp_path / "run", progress=False)
    shutil.rmtree(tmp_path / "gone")
    with pytest.raises(HeadstartError) as raised:
        hs.extend(run, triangles)
    assert raised.value.code == "H512"
    assert not any((tmp_path / name).exists() for name in "ab")


Fit = Callable[..., tuple[hs.Run, pd.DataFrame]]


@pytest.fixture
def fit_rows(make_table: Callable[..., Path], tmp_path: Path) -> Fit:
    """Fit the first rows of a table, and return the run and the other rows."""

    def fit(num_rows: int = 200, **options: Any) -> tuple[hs.Run, pd.DataFrame]:
        frame = pd.read_csv(make_table(tmp_path / "table.csv", "binary", rows=300))
        for name, values in options.pop("columns", {}).items():
            frame[name] = values(np.arange(300))
        frame[:num_rows].to_csv(tmp_path / "first.csv", index=False)
        options |= {"target": "grown", "trial": "table-linear", "out": tmp_path / "run", "progress": False}
        return hs.fit(tmp_path / "first.csv", **options), frame[num_rows:]

    return fit


def test_a_test_split_of_the_user_gets_what_belongs_to_it_and_nothing_else(fit_rows: Fit, tmp_path: Path) -> None:
    """Groups and equal rows of test samples go there; all others are for training, as in a fit."""
    run, others = fit_rows(
        group="who",
        columns={
            "split": lambda i: np.where(i % 10 == 9, "test", "train"),
            "who": lambda i: np.where(i % 10 == 9, "p" + pd.Series(i // 50).astype(str), "q" + pd.Series(i).astype(str)),
        },
    )
    new = others.drop(columns="split")[others["split"] == "train"].copy()
    new.loc[new.index[:20], "who"] = "p1"  # in the test split of the run
    new.to_csv(tmp_path / "more.csv", index=False)
    extended = hs.extend(run, tmp_path / "more.csv", out=tmp_path / "extended", progress=False)
    added = {row: split for row, split in splits_of(extended).items() if row.startswith("more.csv:")}
    of_group = {f"more.csv:{number}" for number in range(1, 21)}
    assert {row for row, split in added.items() if split == "test"} == of_group
    assert set(splits_of(extended).values()) == {"train", "validation", "test"}


def test_files_of_one_name_are_told_apart(fit_rows: Fit, tmp_path: Path) -> None:
    """Splits stay, however often a run is extended by a more.csv."""
    run, others = fit_rows()
    earlier = splits_of(run)
    for number in range(3):
        (tmp_path / str(number)).mkdir()
        others[30 * number : 30 * number + 30].to_csv(tmp_path / str(number) / "more.csv", index=False)
        data = tmp_path / str(number) / "more.csv"
        run = hs.extend(run, data, out=tmp_path / f"run{number}", progress=False)
        splits = splits_of(run)
        assert len(splits) == 200 + 30 * (number + 1)
        assert {row: splits[row] for row in earlier} == earlier
        earlier = splits


def test_a_table_that_has_grown_adds_its_new_rows(fit_rows: Fit, tmp_path: Path) -> None:
    """The rows of the run are listed as skipped; also if the file of the run itself has grown."""
    run, others = fit_rows()
    grown = pd.concat([pd.read_csv(tmp_path / "first.csv"), others[:40]])
    grown.sample(frac=1, random_state=0).to_csv(tmp_path / "grown.csv", index=False)
    extended = hs.extend(run, tmp_path / "grown.csv", out=tmp_path / "extended", progress=False)
    assert sum(extended.folder.state["num_samples"].values()) == 240
    grown.to_csv(tmp_path / "first.csv", index=False)
    again = hs.extend(run, tmp_path / "first.csv", out=tmp_path / "again", progress=False)
    assert sum(again.folder.state["num_samples"].values()) == 240


def test_a_few_new_rows_are_for_training(fit_rows: Fit, tmp_path: Path) -> None:
    """The other splits grow with the whole, not by a share of every handful."""
    run, others = fit_rows()
    others[:4].to_csv(tmp_path / "more.csv", index=False)
    extended = hs.extend(run, tmp_path / "more.csv", out=tmp_path / "extended", progress=False)
    added = [split for row, split in splits_of(extended).items() if row.startswith("more.csv:")]
    assert added.count("train") >= 2
    shares = Counter(splits_of(extended).values())
    assert abs(shares["test"] - 0.2 * 204) <= 3


def test_data_that_have_changed_are_not_taken_for_those_of_the_run(fit_rows: Fit, tmp_path: Path) -> None:
    """H513 if most are others; a few that are gone are listed."""
    run, others = fit_rows()
    others.to_csv(tmp_path / "more.csv", index=False)
    frame = pd.read_csv(tmp_path / "first.csv")
    frame[5:].to_csv(tmp_path / "first.csv", index=False)
    extended = hs.extend(run, tmp_path / "more.csv", out=tmp_path / "extended", progress=False)
    skipped = [row["reason"] for row in read_csv(extended.path / "skipped.csv")]
    assert sum("is gone from its data" in reason for reason in skipped) == 5
    frame.assign(size=frame["size"].sample(frac=1, random_state=0).to_numpy()).to_csv(tmp_path / "first.csv", index=False)
    with pytest.raises(HeadstartError) as raised:
        hs.extend(run, tmp_path / "more.csv", out=tmp_path / "other", progress=False)
    assert raised.value.code == "H513"


def test_looks_at_the_test_split_go_on_counting(fit_rows: Fit, tmp_path: Path) -> None:
    """It is the same split, and more."""
    run, others = fit_rows()
    run.evaluate(tmp_path / "first.csv")
    looks = run.folder.state["test_looks"]
    others.to_csv(tmp_path / "more.csv", index=False)
    extended = hs.extend(run, tmp_path / "more.csv", out=tmp_path / "extended", progress=False)
    assert extended.folder.state["test_looks"] == looks + 1


def test_a_class_of_two_samples_is_left_out(fit_rows: Fit, tmp_path: Path) -> None:
    """As by fit: it cannot be divided."""
    run, others = fit_rows()
    new = others[:40].copy()
    new.loc[new.index[:2], "grown"] = "perhaps"
    new.to_csv(tmp_path / "more.csv", index=False)
    extended = hs.extend(run, tmp_path / "more.csv", out=tmp_path / "extended", progress=False)
    assert extended.folder.state["classes"] == ["no", "yes"]
    reasons = [row["reason"] for row in read_csv(extended.path / "skipped.csv")]
    assert reasons.count("its class perhaps has 2 samples, and a split needs 3 of each class") == 2


def test_tables_that_do_not_fit_are_explained(fit_rows: Fit, tmp_path: Path) -> None:
    """A column that is missing, and a run over time; a further column is left out, which is said."""
    run, others = fit_rows()
    others.drop(columns="size").to_csv(tmp_path / "less.csv", index=False)
    with pytest.raises(HeadstartError, match="without size") as raised:
        hs.extend(run, tmp_path / "less.csv", out=tmp_path / "x", progress=False)
    assert raised.value.code == "H054"
    others.assign(weather="fine").to_csv(tmp_path / "more.csv", index=False)
    told = Told()
    hs.extend(run, tmp_path / "more.csv", out=tmp_path / "extended", progress=told)
    assert "columns that the run does not have are left out: weather" in told.lines
    shutil.rmtree(run.path)
    over_time, others = fit_rows(columns={"day": lambda i: i}, time="day")
    others.to_csv(tmp_path / "later.csv", index=False)
    with pytest.raises(HeadstartError, match="split over time") as raised:
        hs.extend(over_time, tmp_path / "later.csv", out=tmp_path / "y", progress=False)
    assert raised.value.code == "H054"


def test_images_in_memory_have_to_be_of_one_size(tmp_path: Path) -> None:
    """Arrays of an npz file; those of the same size are added under the name of the file."""
    random = np.random.default_rng(0)

    def write(name: str, side: int, number: int) -> Path:
        labels = np.arange(number) % 2
        images = random.integers(0, 90, (number, side, side, 3)) + 120 * labels[:, None, None, None]
        np.savez(tmp_path / name, x=images.astype(np.uint8), y=labels)
        return tmp_path / name

    run = hs.fit(write("first.npz", 40, 40), trial=LINEAR, out=tmp_path / "run", progress=False)
    with pytest.raises(HeadstartError, match="shape") as raised:
        hs.extend(run, write("small.npz", 32, 20), out=tmp_path / "x", progress=False)
    assert raised.value.code == "H054"
    extended = hs.extend(run, write("more.npz", 40, 20), out=tmp_path / "extended", progress=False)
    splits = splits_of(extended)
    assert len(splits) == 60
    assert sum(name.startswith("more.npz:") for name in splits) == 20


def test_a_list_of_images_with_other_columns_is_extended_by_label(
    make_photos: Callable[..., Path], triangles: Path, tmp_path: Path
) -> None:
    """to_label.csv has columns of its own."""
    photos = make_photos(tmp_path / "two", classes=("circle", "square"), per_class=20)
    rows = [{"file": str(path), "shape": path.parent.name} for path in sorted(photos.glob("*/*.jpg"))]
    pd.DataFrame(rows).to_csv(tmp_path / "list.csv", index=False)
    run = hs.fit(tmp_path / "list.csv", target="shape", trial=LINEAR, out=tmp_path / "run", progress=False)
    run.label(triangles, number=10, out=tmp_path / "next")
    listed = pd.read_csv(tmp_path / "next" / "to_label.csv").assign(label="triangle")
    listed.to_csv(tmp_path / "next" / "to_label.csv", index=False)
    extended = hs.extend(run, tmp_path / "next" / "to_label.csv", out=tmp_path / "extended", progress=False)
    assert extended.folder.state["classes"] == ["circle", "square", "triangle"]


def test_runs_that_extend_each_other_in_a_circle_are_refused(old: hs.Run, triangles: Path, tmp_path: Path) -> None:
    """Only a run.json that someone has changed says so."""
    run = hs.extend(old, triangles, out=tmp_path / "run", progress=False)
    (run.path / "manifest.json").unlink(missing_ok=True)
    state = run.folder.state | {"status": "interrupted"}
    state["request"] |= {"extends": str(run.path)}
    (run.path / "run.json").write_text(json.dumps(state), "utf-8")
    for seal in run.path.glob("*.sha256"):
        seal.unlink()
    with pytest.raises(HeadstartError) as raised:
        hs.extend(run.path, triangles, out=tmp_path / "x", progress=False)
    assert raised.value.code in ("H517", "H506")
