"""Doors: fit and resume as Python calls them, with networks of one's own among the trials."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import headstart as hs
from headstart.api import _trial_names
from headstart.errors import RunError, UsageError
from headstart.networks import NETWORKS

pytestmark = [
    pytest.mark.usefixtures("networks"),
    pytest.mark.filterwarnings(
        "ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning",  # Keras 3.15 with NumPy 2
    ),
]


def narrow(rows: Any) -> Any:
    """A head of one's own."""
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


def test_networks_of_one_s_own_are_trials(photos: Callable[..., Path], tmp_path: Path) -> None:
    """A function reads Lite0's features, a model of images begins at the pixels; both are compared with the others."""
    run = hs.fit(photos(per_class=8), trial=[narrow, _tiny(24, "tiny"), "linear"], out=tmp_path / "run")
    rows = run.leaderboard().set_index("trial")
    names = {"efficientnet_lite0-grid2-narrow", "pixels-24px-tiny", "efficientnet_lite0-grid2-linear"}
    assert set(rows.index) == names
    assert set(rows["status"]) == {"done"}
    assert len(run.predict(tmp_path / "photos" / "circle" / "000.jpg")) == 1


def test_a_network_is_the_trial_of_its_name() -> None:
    """One alone, too; what begins at the pixels says so, and a model of any size leaves the size to the data."""

    def pixelwise(image: Any) -> Any:
        return image

    pixelwise.takes_images = True  # type: ignore[attr-defined]
    assert _trial_names([narrow, "mlp", pixelwise]) == ("narrow", "mlp", "pixels-pixelwise")
    assert _trial_names([_tiny(None, "any-size")]) == ("pixels-any_size",)


def test_a_network_defined_again_takes_its_own_place() -> None:
    """As a notebook's cell does that is run twice."""
    assert _trial_names([_tiny(24, "tiny")]) == _trial_names([_tiny(24, "tiny")])


def test_networks_need_names_that_tell_them_apart() -> None:
    """Neither a lambda, nor two of one name, nor the name of a network that comes with Headstart."""

    def mlp(rows: Any) -> Any:
        return rows

    ours = NETWORKS["mlp"]
    for networks in ([lambda rows: rows], [_tiny(24, "tiny"), _tiny(32, "tiny")], [mlp]):
        with pytest.raises(UsageError) as caught:
            _trial_names(networks)  # type: ignore[arg-type]
        assert caught.value.code == "H029"
    assert NETWORKS["mlp"] is ours


def test_resume_refuses_another_backend(tmp_path: Path) -> None:
    """Where Keras runs on one backend already, a run of another goes on in a fresh process only."""
    import keras

    other = next(name for name in ("tensorflow", "torch", "jax") if name != keras.backend.backend())
    (tmp_path / "run.json").write_text(json.dumps({"format": 1, "backend": other, "request": None}))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("headstart.stack.find_spec", lambda name: object())
        with pytest.raises(UsageError) as caught:
            hs.resume(tmp_path)
    assert caught.value.code == "H005"
    assert f"KERAS_BACKEND={other}" in caught.value.advice


def test_resume_of_no_run(tmp_path: Path) -> None:
    """H503, as for every verb of a run."""
    with pytest.raises(RunError) as caught:
        hs.resume(tmp_path)
    assert caught.value.code == "H503"


def test_resume_puts_networks_back(tmp_path: Path) -> None:
    """A run folder holds the names of networks of one's own; ``networks`` brings their code."""
    (tmp_path / "run.json").write_text(json.dumps({"format": 1, "request": None}))
    with pytest.raises(RunError) as caught:
        hs.resume(tmp_path, networks=[narrow])
    assert caught.value.code == "H511"
    assert "narrow" in NETWORKS
