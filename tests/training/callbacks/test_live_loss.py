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
    model.compile(keras.optimizers.SGD(0.05), "mse", jit_compile=False)
    data = {"x": ROWS, "y": TARGETS, "batch_size": 4, "validation_data": (ROWS, TARGETS)} | settings
    model.fit(epochs=epochs, verbose=0, callbacks=[live], **data)
    return model


def test_a_pipe_gets_a_line_an_epoch() -> None:
    """Epoch, batch, loss, val_loss, curve, rate and time left; nothing in between, no control characters."""
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


def test_a_terminal_is_drawn_at_most_ten_times_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a clock of 30 ms a batch, every fourth batch is drawn over the one before; each epoch leaves its line."""
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


def test_a_line_fits_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """No line is as wide as the terminal, which would begin a new one."""
    monkeypatch.setenv("COLUMNS", "40")
    stream = Terminal()
    fit(LiveLoss(stream))
    assert all(len(text.rstrip("\n")) < 40 for text in stream.getvalue().split("\r"))


@pytest.mark.parametrize("batch_size", [1, 4])
def test_the_loss_is_that_of_the_batch(batch_size: int) -> None:
    """Each batch's own loss is told, not Keras's mean since the epoch began."""
    own: list[float] = []
    seen: list[float] = []

    class Spy(LiveLoss):
        def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
            super().on_train_batch_end(batch, logs)
            seen.append(self._curve.last)

    keras.utils.set_random_seed(0)
    rows = keras.Input((1,))
    model = keras.Model(rows, keras.layers.Dense(1, kernel_initializer="ones")(rows))
    model.compile(keras.optimizers.SGD(0.0), "mse", jit_compile=False)
    x = np.arange(1, 13, dtype=np.float32)[:, None]
    model.fit(x, 0 * x, batch_size=batch_size, shuffle=False, epochs=2, verbose=0, callbacks=[Spy(io.StringIO())])
    own = [float(np.square(x[start : start + batch_size]).mean()) for start in range(0, 12, batch_size)] * 2
    assert seen == pytest.approx(own, rel=1e-4)


def test_a_new_training_has_a_new_curve() -> None:
    """The second fit does not show the val_loss or the losses of the first."""
    stream = io.StringIO()
    live = LiveLoss(stream)
    fit(live, epochs=1)
    first = stream.getvalue()
    fit(live, epochs=1)
    assert stream.getvalue().split(" left")[0].rpartition("  ")[0] in first
    assert stream.getvalue()[len(first) :].split("rate")[0] == first.split("rate")[0]


def test_a_stream_without_block_characters_gets_others() -> None:
    """An ASCII terminal is drawn with ASCII."""
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    fit(LiveLoss(stream))
    stream.flush()
    assert stream.buffer.getvalue().count(b"\n") == 2  # type: ignore[attr-defined]


def test_training_goes_on_when_nobody_reads() -> None:
    """A reader that has gone, or a closed stream, ends the drawing and not the training."""
    closed = io.StringIO()
    closed.close()
    for stream in (Gone(), closed):
        assert len(fit(LiveLoss(stream)).history.epoch) == 2


def test_an_unknown_number_of_steps_is_not_told() -> None:
    """Where Keras does not know the steps of an epoch, the line names those done, and no time left."""
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


def test_a_loss_that_is_no_number_is_shown() -> None:
    """It is told as it is and leaves no mark in the curve or in the smoothed loss."""
    curve = LossCurve(8)
    for loss in (2.0, math.nan, 1.0, math.inf):
        curve.add(loss)
    assert curve.last == math.inf
    assert curve.sparkline() == "█▁"
    assert 1.0 < curve.smoothed < 2.0


@given(st.lists(st.floats(-1e6, 1e6), max_size=300), st.integers(2, 30))
def test_the_curve_is_bounded(losses: list[float], width: int) -> None:
    """However many batches there are, the curve has at most its width, and the smoothed loss lies among the losses."""
    curve = LossCurve(width)
    for loss in losses:
        curve.add(loss)
    assert len(curve.sparkline()) <= width
    if losses:
        assert min(losses) - 1e-6 * 1e6 <= curve.smoothed <= max(losses) + 1e-6 * 1e6
    else:
        assert math.isnan(curve.smoothed)


def test_a_falling_loss_is_a_falling_curve() -> None:
    """The bars go down with the loss, after the points have been halved too."""
    curve = LossCurve(8)
    for step in range(100):
        curve.add(100.0 - step)
    bars = curve.sparkline()
    assert list(bars) == sorted(bars, reverse=True)
    assert (bars[0], bars[-1]) == ("█", "▁")
