"""A run that is killed goes on: what had ended is not done again, and the end is the same to the bit."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import headstart as hs
from headstart.foundation.errors import RunError
from headstart.foundation.progress import Silent
from headstart.foundation.runs.files import read_csv
from headstart.models.model import Model
from headstart.search import trial_runner as attempt_module
from headstart.search.search import resume

pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning",  # Keras 3.15 with NumPy 2
)

TRIALS = ("avg-linear", "efficientnet_lite0-stage6_block4-avg-96px-2views-mlp")
SECONDS = ("part_a_seconds", "part_b_seconds", "total_seconds", "ms_per_sample", "on_front")


class Killed(BaseException):
    """Stands for a SIGKILL: nothing catches it, and nothing is tidied up by us."""


def outcome(run: Path) -> dict[str, Any]:
    """All that must be the same, seconds aside."""
    with (run / "leaderboard.csv").open(newline="") as file:
        board = [{key: value for key, value in row.items() if key not in SECONDS} for row in csv.DictReader(file)]
    histories = {
        path.parent.name: [{**json.loads(line), "seconds": None} for line in path.read_text().splitlines()]
        for path in sorted(run.glob("trials/*/history.jsonl"))
    }
    evaluation = json.loads((run / "evaluation.json").read_text())
    return {"board": board, "histories": histories, "evaluation": evaluation}


def weights(run: Path) -> list[Any]:
    """Every array of weights in the run."""
    files = sorted(run.rglob("*.keras"))
    return [w for file in files for w in keras.models.load_model(file, compile=False).get_weights()]


@pytest.fixture(scope="module")
def photos(make_photos: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photographs of three classes."""
    return make_photos(tmp_path_factory.mktemp("resume") / "photos", per_class=12)


@pytest.fixture(scope="module")
def whole(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nobody disturbed, with an empty cache as the others have it."""
    folder = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HEADSTART_CACHE", str(folder / "cache"))
        return hs.fit(photos, trial=TRIALS, out=folder / "run").path


def killed_in(
    monkeypatch: pytest.MonkeyPatch,
    photos: Path,
    out: Path,
    cache: Path,
    trial: str,
    epoch: int,
    trials: Sequence[str] = TRIALS,
) -> None:
    """Fit with a cache of its own, and be killed at the end of an epoch of a trial."""
    monkeypatch.setenv("HEADSTART_CACHE", str(cache))
    train = Model.train

    def struck(self: Model, dataset: Any, features: Any, folder: Path, **options: Any) -> Any:
        def strike(number: int, _val_loss: float) -> None:
            if folder.name == trial and number == epoch:
                raise Killed

        return train(self, dataset, features, folder, **{**options, "on_epoch": strike})

    with monkeypatch.context() as patch:
        patch.setattr(Model, "train", struck)
        with pytest.raises(Killed):
            hs.fit(photos, trial=trials, out=out)


class Told(Silent):
    """Keeps what is said."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def say(self, text: str) -> None:
        """Keep it."""
        self.texts.append(text)


def spied(monkeypatch: pytest.MonkeyPatch) -> tuple[list[str], Told]:
    """The names of the trials that are attempted from now on, and a listener."""
    attempted: list[str] = []
    attempt = attempt_module.attempt

    def spy(job: Any, trial: Any) -> None:
        attempted.append(trial.name)
        attempt(job, trial)

    monkeypatch.setattr("headstart.search.trial_loop.attempt", spy)
    return attempted, Told()


@pytest.mark.parametrize(
    ("trial", "epoch"),
    [
        pytest.param(0, 2, id="solver"),
        pytest.param(1, 4, id="inner-cut"),
    ],
)
def test_killed_and_resumed_it_ends_the_same(
    whole: Path, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trial: int, epoch: int
) -> None:
    """Every number and weight is that of the run that was never killed, and nothing that had ended is done again."""
    order = json.loads((whole / "run.json").read_text())["order"]
    name = next(n for n in order if n.endswith(TRIALS[trial].removeprefix("avg")))
    killed_in(monkeypatch, photos, tmp_path / "run", tmp_path / "cache", name, epoch)
    (tmp_path / "run" / "trials" / ".writing-left").mkdir()  # as a killed writer leaves it
    attempted, told = spied(monkeypatch)
    run = resume(tmp_path / "run", told)
    assert attempted == order[order.index(name) :]
    assert next(text for text in told.texts if "rows computed" in text).startswith("0 rows")  # they lay in the store
    assert run.folder.damaged() == []
    assert not list(run.path.rglob(".writing-*"))
    assert outcome(run.path) == outcome(whole)
    for ours, theirs in zip(weights(run.path), weights(whole), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_a_complete_run_is_left_alone(whole: Path) -> None:
    """Nothing in it is written anew."""
    before = {path: path.stat().st_mtime_ns for path in whole.rglob("*") if path.is_file()}
    resume(whole)
    assert before == {path: path.stat().st_mtime_ns for path in whole.rglob("*") if path.is_file()}


def test_a_complete_run_that_was_changed_is_refused(whole: Path, tmp_path: Path) -> None:
    """H506, and it is not called complete."""
    run = Path(shutil.copytree(whole, tmp_path / "run"))
    with (run / "predictions.csv").open("a") as file:
        file.write("one,more\n")
    told = Told()
    with pytest.raises(RunError, match=r"predictions\.csv") as caught:
        resume(run, told)
    assert (caught.value.code, told.texts) == ("H506", [])


def test_changed_data_are_refused(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """H513: a run cannot go on on other files than it began with."""
    copy = Path(shutil.copytree(photos, tmp_path / "photos"))
    killed_in(monkeypatch, copy, tmp_path / "run", tmp_path / "cache", "efficientnet_lite0-avg-linear", 1)
    next(copy.rglob("*.jpg")).unlink()
    with pytest.raises(RunError) as caught:
        resume(tmp_path / "run")
    assert caught.value.code == "H513"


def test_what_only_a_process_had_cannot_be_resumed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """H511 for arrays, which are gone."""
    images = np.random.default_rng(0).integers(0, 256, (24, 20, 20, 3), dtype=np.uint8)
    dataset = hs.read_arrays(images, np.arange(24) % 2)

    def strike(*_: object, **__: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(Model, "train", strike)
        with pytest.raises(Killed):
            hs.fit(dataset, trial="avg-linear", out=tmp_path / "run")
    with pytest.raises(RunError) as caught:
        resume(tmp_path / "run")
    assert caught.value.code == "H511"


def test_run_on_an_archive_is_resumed(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the unpacked images were removed from the cache; its files name samples by their paths in the archive."""
    archive = Path(shutil.make_archive(str(tmp_path / "packed"), "zip", photos.parent, photos.name))
    name = "efficientnet_lite0-avg-linear"
    killed_in(monkeypatch, archive, tmp_path / "run", tmp_path / "cache", name, 0, ["avg-linear"])
    shutil.rmtree(tmp_path / "cache" / "pictures")
    run = hs.resume(tmp_path / "run")
    names = sorted(str(path.relative_to(photos.parent)) for path in photos.rglob("*") if path.is_file())
    assert sorted(row["path"] for row in read_csv(run.path / "splits.csv")) == names
    assert len(run.evaluate(archive)) == len(names)
    texts = [path.read_bytes() for path in run.path.rglob("*") if path.suffix in (".csv", ".json", ".html")]
    assert not any(str(tmp_path / "cache").encode() in text for text in texts)
