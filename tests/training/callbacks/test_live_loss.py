"""The live loss: what is drawn on a terminal and in a pipe, and that it never disturbs training."""

from __future__ import annotations

import io
import math
from types import SimpleNamespace
from typing import Any

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headstart.training.callbacks import LiveLoss
from headstart.training.callbacks.live_loss import LossCurve

# Keras 3.15 on TensorFlow asks NumPy 2 for arrays in the way of NumPy 1.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")

ROWS = np.random.default_rng(0).normal(size=(24, 3)).astype(np.float32)
TARGETS = ROWS.sum(axis=1, keepdims=True)


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        """Yes."""
        return True


class Gone(Terminal):
    """A terminal whose reader has gone."""

    def write(self, text: str) -> int:
        """Refuse."""
        raise BrokenPipeError


def fit(live: LiveLoss, epochs: int = 2, **settings: Any) -> keras.Model:
    """A fit of six steps an epoch."""
    keras.utils.set_random_seed(0)
    rows = keras.Input((3,))
    model = keras.Model(rows, keras.layers.Dense(1)(rows))
    model.compile(keras.optimizers.SGD(0.05), "mse", run_eagerly=True)
    data = {"x": ROWS, "y": TARGETS, "batch_size": 4, "validation_data": (ROWS, TARGETS)} | settings
    model.fit(epochs=epochs, verbose=0, callbacks=[live], **data)
    return model


def test_live_loss_writes_one_line_per_epoch_to_a_pipe() -> None:
    """Epoch, batch, loss, val_loss, curve, rate and time left; nothing in between, and no control characters."""
    stream = io.StringIO()
    model = fit(LiveLoss(stream), epochs=3)
    lines = stream.getvalue().splitlines()
    assert len(lines) == 3
    assert stream.getvalue().replace("\n", "").isprintable()
    for number, (line, val_loss) in enumerate(zip(lines, model.history.history["val_loss"], strict=True), 1):
        assert line.startswith(f"epoch {number}/3  batch 6/6  loss ")
        assert f"val_loss {val_loss:.4f}" in line
        assert "rate 5.0e-02" in line
        assert any(bar in line for bar in "▁▂▃▄▅▆▇█")
        assert line.endswith(" left")


def test_live_loss_redraws_at_most_ten_times_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    """At 30 ms per batch, every fourth batch overwrites the line, and each epoch leaves one."""
    now = 0.0
    monkeypatch.setattr("headstart.training.callbacks.live_loss.time", SimpleNamespace(perf_counter=lambda: now))

    class Clock(LiveLoss):
        def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
            nonlocal now
            now += 0.03
            super().on_train_batch_end(batch, logs)

    monkeypatch.setenv("COLUMNS", "200")
    stream = Terminal()
    fit(Clock(stream), epochs=4)
    drawn = stream.getvalue().split("\r")[1:]
    assert sum(text.endswith("\n") for text in drawn) == 4
    assert len(drawn) == 4 + 24 // 4
    assert "batch 1/6" in drawn[0]
    assert drawn[0].endswith(" 0:01 left")  # 23 batches of 30 ms


def test_live_loss_line_fits_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """A line as wide as the terminal would wrap."""
    monkeypatch.setenv("COLUMNS", "40")
    stream = Terminal()
    fit(LiveLoss(stream))
    assert all(len(text.rstrip("\n")) < 40 for text in stream.getvalue().split("\r"))


@pytest.mark.parametrize("batch_size", [1, 4])
def test_live_loss_shows_the_loss_of_the_batch(batch_size: int) -> None:
    """It shows each batch's own loss, not Keras's mean since the epoch began."""
    own: list[float] = []
    seen: list[float] = []

    class Spy(LiveLoss):
        def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
            super().on_train_batch_end(batch, logs)
            seen.append(self._curve.last)

    keras.utils.set_random_seed(0)
    rows = keras.Input((1,))
    model = keras.Model(rows, keras.layers.Dense(1, kernel_initializer="ones")(rows))
    model.compile(keras.optimizers.SGD(0.0), "mse", run_eagerly=True)
    x = np.arange(1, 13, dtype=np.float32)[:, None]
    model.fit(x, 0 * x, batch_size=batch_size, shuffle=False, epochs=2, verbose=0, callbacks=[Spy(io.StringIO())])
    own = [float(np.square(x[start : start + batch_size]).mean()) for start in range(0, 12, batch_size)] * 2
    assert seen == pytest.approx(own, rel=1e-4)


def test_live_loss_resets_when_training_begins() -> None:
    """A second fit does not show the val_loss or the losses of the first."""
    stream = io.StringIO()
    live = LiveLoss(stream)
    fit(live, epochs=1)
    first = stream.getvalue()
    fit(live, epochs=1)
    assert stream.getvalue().split(" left")[0].rpartition("  ")[0] in first
    assert stream.getvalue()[len(first) :].split("rate")[0] == first.split("rate")[0]


def test_live_loss_uses_ascii_if_the_stream_needs_it() -> None:
    """An ASCII terminal gets an ASCII curve."""
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    fit(LiveLoss(stream))
    stream.flush()
    assert stream.buffer.getvalue().count(b"\n") == 2  # type: ignore[attr-defined]


def test_live_loss_survives_a_closed_stream() -> None:
    """A broken pipe or a closed stream ends the drawing and not the training."""
    closed = io.StringIO()
    closed.close()
    for stream in (Gone(), closed):
        assert len(fit(LiveLoss(stream)).history.epoch) == 2


def test_live_loss_without_a_known_number_of_steps() -> None:
    """The line shows the steps done, and no time left."""
    stream = io.StringIO()
    live = LiveLoss(stream)
    live.set_model(fit(live, epochs=1))
    live.set_params({"epochs": 2, "steps": None})
    live.on_train_begin()
    live.on_epoch_begin(0)
    live.on_train_batch_end(0, {"loss": 1.5})
    live.on_epoch_end(0, {"loss": 1.5})
    line = stream.getvalue().splitlines()[-1]
    assert line.startswith("epoch 1/2  batch 1  loss 1.5000")
    assert "left" not in line


def test_live_loss_shows_a_loss_that_is_not_finite() -> None:
    """It is shown, but does not affect the curve or the smoothed loss."""
    curve = LossCurve(8)
    for loss in (2.0, math.nan, 1.0, math.inf):
        curve.add(loss)
    assert curve.last == math.inf
    assert curve.sparkline() == "█▁"
    assert 1.0 < curve.smoothed < 2.0


@given(st.lists(st.floats(-1e6, 1e6), max_size=300), st.integers(2, 30))
def test_loss_curve_is_bounded(losses: list[float], width: int) -> None:
    """However many batches there are, the curve has at most its width, and the smoothed loss is within the losses."""
    curve = LossCurve(width)
    for loss in losses:
        curve.add(loss)
    assert len(curve.sparkline()) <= width
    if losses:
        assert min(losses) - 1e-6 * 1e6 <= curve.smoothed <= max(losses) + 1e-6 * 1e6
    else:
        assert math.isnan(curve.smoothed)


def test_loss_curve_falls_with_the_loss() -> None:
    """Also after neighbouring points have been merged."""
    curve = LossCurve(8)
    for step in range(100):
        curve.add(100.0 - step)
    bars = curve.sparkline()
    assert list(bars) == sorted(bars, reverse=True)
    assert (bars[0], bars[-1]) == ("█", "▁")
