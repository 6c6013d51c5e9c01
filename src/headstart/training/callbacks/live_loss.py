"""Part B: the loss while it falls, drawn in the terminal batch by batch."""

from __future__ import annotations

import math
import shutil
import sys
import time
from typing import Any, TextIO

import keras

__all__ = ["LiveLoss", "LossCurve"]

_BARS = "▁▂▃▄▅▆▇█"
_PLAIN_BARS = "_.-=+*#@"  # for a stream that cannot encode the others
_DRAW_SECONDS = 0.1
_SMOOTHING = 0.95


class LossCurve:
    """The losses of a whole training in a bounded number of points, with the smoothed loss beside them.

    When the points are full, each two become one that stands for twice as many batches.

    Args:
        width: Points of the curve at most.
    """

    def __init__(self, width: int) -> None:
        self._width = max(2, width - width % 2)
        self._points: list[float] = []
        self._batches_a_point, self._sum, self._count = 1, 0.0, 0
        self._average, self._weight = 0.0, 0.0
        self.last = math.nan

    @property
    def smoothed(self) -> float:
        """The exponentially weighted mean of the losses that were numbers."""
        return self._average / self._weight if self._weight else math.nan

    def add(self, loss: float) -> None:
        """Take a batch's loss; one that is no number is the last loss, but no point."""
        self.last = loss
        if not math.isfinite(loss):
            return
        self._average = _SMOOTHING * self._average + (1 - _SMOOTHING) * loss
        self._weight = _SMOOTHING * self._weight + 1 - _SMOOTHING
        self._sum, self._count = self._sum + loss, self._count + 1
        if self._count < self._batches_a_point:
            return
        self._points.append(self._sum / self._count)
        self._sum, self._count = 0.0, 0
        if len(self._points) >= self._width:
            pairs = zip(self._points[::2], self._points[1::2], strict=True)
            self._points = [(first + second) / 2 for first, second in pairs]
            self._batches_a_point *= 2

    def sparkline(self, bars: str = _BARS) -> str:
        """The curve in one line: its highest point is the last of ``bars``, its lowest the first.

        Example:
            >>> curve = LossCurve(8)
            >>> for loss in (4.0, 2.0, 1.0):
            ...     curve.add(loss)
            >>> curve.sparkline()
            '█▃▁'
        """
        if not self._points:
            return ""
        low, high = min(self._points), max(self._points)
        scale = (len(bars) - 1) / (high - low) if high > low else 0.0
        return "".join(bars[round((point - low) * scale)] for point in self._points)


class LiveLoss(keras.callbacks.Callback):
    """Shows the loss as it is: that of the batch, smoothed, the last ``val_loss``, the curve, the rate, the time left.

    On a terminal one line is drawn anew, at most ten times a second; a line stays for each epoch. In a pipe there are only
    the lines of the epochs. Use it with ``fit(verbose=0)``, since Keras's bar would write over it.

    Args:
        stream: Where to write; None is standard error.
        width: Characters of the curve at most.
    """

    def __init__(self, stream: TextIO | None = None, *, width: int = 24) -> None:
        super().__init__()
        self._given, self._stream = stream, stream
        self._width = width
        self._is_terminal, self._bars = False, _BARS
        self._reset()

    def _reset(self) -> None:
        self._curve = LossCurve(self._width)
        self._epoch, self._batch, self._mean = 0, 0, 0.0
        self._val_loss, self._rate = math.nan, math.nan
        self._start, self._drawn, self._num_done = time.perf_counter(), -math.inf, 0
        self._num_drawn_chars = 0

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Forget the training before, and look at where the lines go."""
        self._reset()
        stream = self._given or sys.stderr
        self._stream = None if stream is None or stream.closed else stream
        self._is_terminal = self._stream is not None and self._stream.isatty()
        self._bars = _BARS if _can_encode(self._stream, _BARS) else _PLAIN_BARS

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Begin a new mean, as Keras does."""
        self._epoch, self._batch, self._mean = epoch, 0, 0.0

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Take the batch's loss, and draw if the last drawing is old enough."""
        mean = float((logs or {}).get("loss", math.nan))
        # Keras gives the mean since the epoch began; the difference is this batch's share of it. A smaller last batch
        # counts as a whole one here, which draws it a little towards the mean.
        done = batch + 1
        num_new = max(1, done - self._batch)
        self._curve.add(mean + (mean - self._mean) * self._batch / num_new)
        self._batch, self._mean = done, mean
        self._num_done += num_new
        if self._is_terminal and time.perf_counter() - self._drawn >= _DRAW_SECONDS:
            self._rate = _rate(self.model)  # on JAX the model costs a moment to look at: only when drawing
            self._draw(self._line())
            self._drawn = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Leave a line for the epoch."""
        self._val_loss = float((logs or {}).get("val_loss", math.nan))
        self._rate = _rate(self.model)
        self._draw(self._line(), end="\n")

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Let go of the stream."""
        self._stream = None

    def _line(self) -> str:
        params = self.params or {}
        epochs, steps = params.get("epochs"), params.get("steps")
        parts = [f"epoch {self._epoch + 1}" + (f"/{epochs}" if epochs else "")]
        parts.append(f"batch {self._batch}" + (f"/{steps}" if steps else ""))
        parts.append(f"loss {self._curve.last:.4f} ({self._curve.smoothed:.4f} smoothed)")
        if not math.isnan(self._val_loss):
            parts.append(f"val_loss {self._val_loss:.4f}")
        parts.append(self._curve.sparkline(self._bars))
        parts.append(f"rate {self._rate:.1e}")
        if epochs and steps:
            left = steps * (epochs - self._epoch) - self._batch
            parts.append(f"{_clock((time.perf_counter() - self._start) / max(1, self._num_done) * left)} left")
        return "  ".join(parts)

    def _draw(self, line: str, end: str = "") -> None:
        if self._stream is None:
            return
        if self._is_terminal:
            line = line[: shutil.get_terminal_size().columns - 1]
            num_chars = len(line)
            line = "\r" + line.ljust(self._num_drawn_chars)  # covers what the line before had more
            self._num_drawn_chars = 0 if end else num_chars
        try:
            self._stream.write(line + end)
            self._stream.flush()
        except (OSError, ValueError):  # the reader has gone, or the stream was closed: training goes on unwatched
            self._stream = None


def _rate(model: keras.Model) -> float:
    return float(keras.ops.convert_to_numpy(model.optimizer.learning_rate))


def _can_encode(stream: TextIO | None, text: str) -> bool:
    try:
        text.encode(getattr(stream, "encoding", None) or "utf-8")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def _clock(seconds: float) -> str:
    """Minutes and seconds, or hours, minutes and seconds.

    Example:
        >>> _clock(62.4), _clock(3700)
        ('1:02', '1:01:40')
    """
    minutes, rest = divmod(max(0, round(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
