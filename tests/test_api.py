"""``fit`` and ``resume`` as Python functions, with the user's own networks among the trials."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import headstart as hs
from headstart.api import _trial_names
from headstart.evaluation.classification import Classification
from headstart.foundation.errors import DatasetError, RunError, UsageError
from headstart.training.networks.networks import NETWORKS

pytestmark = [
    pytest.mark.usefixtures("networks"),
    pytest.mark.filterwarnings(
        "ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning",  # Keras 3.15 with NumPy 2
    ),
]


def narrow(rows: Any) -> Any:
    """A head defined by the user."""
    import keras

    return keras.layers.Dense(4, activation="tanh")(rows)


def _tiny(side: int | None, name: str) -> Any:
    import keras

    return keras.Sequential(
        [
            keras.Input((side, side, 3)),
            keras.layers.Rescaling(1 / 255),
            keras.layers.Conv2D(4, 3, strides=4, activation="relu"),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(3, activation="softmax"),
        ],
        name=name,
    )


def test_own_networks_are_trials(photos: Callable[..., Path], tmp_path: Path) -> None:
    """A function reads Lite0's features, a model of images starts at the pixels; both are compared with other trials."""
    run = hs.fit(photos(per_class=8), trial=[narrow, _tiny(24, "tiny"), "linear"], out=tmp_path / "run")
    rows = run.leaderboard().set_index("trial")
    names = {"efficientnet_lite0-grid2-narrow", "pixels-24px-tiny", "efficientnet_lite0-grid2-linear"}
    assert set(rows.index) == names
    assert set(rows["status"]) == {"done"}
    assert len(run.predict(tmp_path / "photos" / "circle" / "000.jpg")) == 1


def test_own_network_is_the_trial_of_its_name() -> None:
    """A network that starts at the pixels has them in its name; a model of any input size leaves the size to the data."""

    def pixelwise(image: Any) -> Any:
        return image

    pixelwise.takes_images = True  # type: ignore[attr-defined]
    assert _trial_names([narrow, "mlp", pixelwise]) == ("narrow", "mlp", "pixels-pixelwise")
    assert _trial_names([_tiny(None, "any-size")]) == ("pixels-any_size",)


def test_own_network_can_be_redefined() -> None:
    """A notebook cell that defines a network can be run twice."""
    assert _trial_names([_tiny(24, "tiny")]) == _trial_names([_tiny(24, "tiny")])


def test_own_networks_need_distinct_names() -> None:
    """A lambda, two networks of one name, or a name that means something else in a trial's name raises H029."""
    ours = NETWORKS["mlp"]
    taken = [[_tiny(24, name)] for name in ("mlp", "baseline", "trees", "ensemble", "fold_ensemble", "table", "pixels")]
    for networks in ([lambda rows: rows], [_tiny(24, "tiny"), _tiny(32, "tiny")], *taken):
        with pytest.raises(UsageError) as caught:
            _trial_names(networks)  # type: ignore[arg-type]
        assert caught.value.code == "H029"
    assert NETWORKS["mlp"] is ours


def test_fit_accepts_a_data_frame_and_a_dataset(make_table: Callable[..., Path], tmp_path: Path) -> None:
    """A data frame is a table, a Dataset has its own target and task, and other types are rejected."""
    path = make_table(tmp_path / "rows.csv", "multiclass", split=True)
    frame = pd.read_csv(path)
    run = hs.fit(frame, target=-1, trial="table-linear", folds=0, out=tmp_path / "run")
    dataset = hs.read_table(frame, target="kind")
    found = run.evaluate(dataset)
    assert (found.split, len(found), found.to_json()) == ("test", 40, run.evaluate(path).to_json())
    with pytest.warns(UserWarning, match="size: 188 of 200 values are outside the range of the training data"):
        new = run.evaluate(frame.drop(columns="split").assign(size=range(200)))
    assert (new.split, len(new)) == ("test", 200)
    for sample, code in ((3, "H107"), ({"size": 3}, "H115")):  # no rows; a row that lacks columns
        with pytest.raises(DatasetError, match=code):
            run.predict(sample)
    wrong: list[tuple[Any, dict[str, Any], str]] = [([], {}, "H045")]
    wrong += [(data, {"duplicates": "delete"}, "H130") for data in (dataset, "demo")]
    wrong += [(dataset, words, "H044") for words in ({"task": "regression"}, {"target": "x"})]
    wrong += [(tmp_path, {name: "x"}, "H046") for name in ("target", "image", "group")]
    for data, words, code in wrong:
        with pytest.raises(UsageError) as caught:
            hs.fit(data, **words, out=tmp_path / "other")  # type: ignore[arg-type]
        assert caught.value.code == code


def test_run_with_groups_predicts_and_evaluates(make_table: Callable[..., Path], tmp_path: Path) -> None:
    """Groups stay on one side of a split; files with or without the group column, and rows without names, are accepted."""
    frame = pd.read_csv(make_table(tmp_path / "rows.csv", "binary"))
    frame.insert(0, "patient", [f"p{i // 4}" for i in range(200)])
    frame.to_csv(tmp_path / "t.csv", index=False)
    run = hs.fit(tmp_path / "t.csv", target=-1, group="patient", trial="table-linear", folds=3, out=tmp_path / "run")
    splits = pd.read_csv(run.path / "splits.csv").sort_values("row")
    assert splits.groupby(frame["patient"].to_numpy())["split"].nunique().max() == 1
    features = frame[["size", "since", "colour", "town"]]
    expected = run.predict(frame)
    for rows in (tmp_path / "t.csv", features, features.to_numpy(), frame.to_numpy()):
        pd.testing.assert_frame_equal(run.predict(rows), expected, rtol=1e-5, atol=2e-6)
    assert run.evaluate(tmp_path / "t.csv").num_seen == (splits["split"] != "test").sum()


def test_run_evaluates_images_in_memory(tmp_path: Path) -> None:
    """Images in memory are evaluated like files, and those that the model has seen are counted."""
    are_light = (np.arange(40) % 2)[:, None, None, None].astype(np.uint8)
    images = np.random.default_rng(0).integers(0, 60, (40, 16, 16, 3), np.uint8) + 180 * are_light
    dataset = hs.read_arrays(images, np.arange(40) % 2)
    run = hs.fit(dataset, trial="efficientnet_lite0-avg-32px-linear", folds=0, out=tmp_path / "run")
    found = run.evaluate(hs.read_arrays(images[:20], np.arange(20) % 2))
    assert (len(found), found.num_seen > 0) == (20, True)
    assert isinstance(found, Classification)
    assert found.accuracy == 1


def test_resume_rejects_another_backend(tmp_path: Path) -> None:
    """If Keras already runs on one backend, a run of another backend can be resumed only in a new process."""
    import keras

    other = next(name for name in ("tensorflow", "torch", "jax") if name != keras.backend.backend())
    (tmp_path / "run.json").write_text(json.dumps({"format": 3, "backend": other, "request": None}))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("headstart.foundation.machine.find_spec", lambda name: object())
        with pytest.raises(UsageError) as caught:
            hs.resume(tmp_path)
    assert caught.value.code == "H005"
    assert f"KERAS_BACKEND={other}" in caught.value.advice


def test_resume_rejects_a_folder_that_is_not_a_run(tmp_path: Path) -> None:
    """H503 is raised, as by every method of a run."""
    with pytest.raises(RunError) as caught:
        hs.resume(tmp_path)
    assert caught.value.code == "H503"


def test_resume_restores_own_networks(tmp_path: Path) -> None:
    """A run folder contains only the names of own networks; ``networks`` supplies their code."""
    (tmp_path / "run.json").write_text(json.dumps({"format": 3, "request": None}))
    with pytest.raises(RunError) as caught:
        hs.resume(tmp_path, networks=[narrow])
    assert caught.value.code == "H511"
    assert "narrow" in NETWORKS


def test_load_opens_a_saved_model_and_rejects_anything_else(tmp_path: Path, make_table: Callable[..., Path]) -> None:
    """The folder of ``Model.save`` is a model; any other folder is no run."""
    model = hs.Model("table")
    model.fit(make_table(tmp_path / "table.csv", "binary", rows=60), progress=False)
    model.save(tmp_path / "saved")
    loaded = hs.load(tmp_path / "saved")
    assert isinstance(loaded, hs.Model)
    assert loaded.predict(tmp_path / "table.csv").equals(model.predict(tmp_path / "table.csv"))
    for path in (tmp_path, tmp_path / "nothing", tmp_path / "table.csv"):
        with pytest.raises(RunError) as caught:
            hs.load(path)
        assert caught.value.code == "H503"
