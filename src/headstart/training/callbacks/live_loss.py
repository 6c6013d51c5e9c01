"""LiveLoss: a live line with the loss in the terminal, updated batch by batch."""

from __future__ import annotations

import math
import shutil
import sys
import time
from typing import Any, TextIO

import keras

__all__ = ["LiveLoss", "LossCurve"]

_BARS = "▁▂▃▄▅▆▇█"
_PLAIN_BARS = "_.-=+*#@"  # for streams that cannot encode block characters
_DRAW_SECONDS = 0.1
_SMOOTHING = 0.95


class LossCurve:
    """The losses of a whole training as a bounded number of points, and the smoothed loss.

    When all points are used, neighbouring pairs are averaged, and each point then stands for twice as many batches.

    Args:
        width: Maximum number of points.
    """

    def __init__(self, width: int) -> None:
        self._width = max(2, width - width % 2)
        self._points: list[float] = []
        self._batches_a_point, self._sum, self._count = 1, 0.0, 0
        self._average, self._weight = 0.0, 0.0
        self.last = math.nan

    @property
    def smoothed(self) -> float:
        """Exponentially weighted mean of the finite losses."""
        return self._average / self._weight if self._weight else math.nan

    def add(self, loss: float) -> None:
        """Add a batch's loss. A loss that is not finite becomes ``last`` but adds no point to the curve."""
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
        """Return the curve as one line of characters: ``bars[0]`` is the lowest point, ``bars[-1]`` the highest.

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
    """Show the batch's loss, the smoothed loss, the last ``val_loss``, a curve, the learning rate and the time left.

    On a terminal, one line is updated at most ten times a second, and each epoch leaves a line. If the output is not a
    terminal, only the lines of the epochs are written. Use it with ``fit(verbose=0)``: Keras's bar would overwrite it.

    Args:
        stream: Stream to write to. Defaults to None: standard error.
        width: Maximum number of characters of the curve. Defaults to 24.

    Example::

        model.fit(x, y, epochs=10, verbose=0, callbacks=[hs.callbacks.LiveLoss()])
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
        """Reset, and find out whether the stream is a terminal and which characters it can encode."""
        self._reset()
        stream = self._given or sys.stderr
        self._stream = None if stream is None or stream.closed else stream
        self._is_terminal = self._stream is not None and self._stream.isatty()
        self._bars = _BARS if _can_encode(self._stream, _BARS) else _PLAIN_BARS

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Start a new mean, as Keras does."""
        self._epoch, self._batch, self._mean = epoch, 0, 0.0

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Add the batch's loss, and redraw the line if the last drawing is old enough."""
        mean = float((logs or {}).get("loss", math.nan))
        # Keras reports the mean since the start of the epoch; the loss of this batch follows from two of them. A smaller
        # last batch is treated like a full one, which moves its loss slightly towards the mean.
        done = batch + 1
        num_new = max(1, done - self._batch)
        self._curve.add(mean + (mean - self._mean) * self._batch / num_new)
        self._batch, self._mean = done, mean
        self._num_done += num_new
        if self._is_terminal and time.perf_counter() - self._drawn >= _DRAW_SECONDS:
            self._rate = _rate(self.model)  # slow on JAX, so read only when drawing
            self._draw(self._line())
            self._drawn = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Write the line of the epoch."""
        self._val_loss = float((logs or {}).get("val_loss", math.nan))
        self._rate = _rate(self.model)
        self._draw(self._line(), end="\n")

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Release the stream."""
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
            line = "\r" + line.ljust(self._num_drawn_chars)  # overwrites the rest of a longer previous line
            self._num_drawn_chars = 0 if end else num_chars
        try:
            self._stream.write(line + end)
            self._stream.flush()
        except (OSError, ValueError):  # broken pipe or closed stream: training continues without output
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
    """Format seconds as minutes and seconds, or as hours, minutes and seconds.

    Example:
        >>> _clock(62.4), _clock(3700)
        ('1:02', '1:01:40')
    """
    minutes, rest = divmod(max(0, round(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
