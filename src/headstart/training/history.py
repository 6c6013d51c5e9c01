"""``History``: the epochs of a training, as Keras's ``fit`` returns them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["History"]


class History:
    """Losses and metrics of each epoch, in the form of ``keras.callbacks.History``.

    Args:
        rows: One row per epoch: its number under ``epoch``, and its values by name.

    Attributes:
        epoch: Numbers of the epochs; for a linear head that a solver fits, of its steps. Empty for boosted trees.
        history: Values by name, one per epoch: ``loss``, ``val_loss``, ``val_accuracy`` (or the task's metric) and others.

    Example:
        >>> history = History([{"epoch": 0, "loss": 0.9}, {"epoch": 1, "loss": 0.4}])
        >>> history.epoch, history.history["loss"]
        ([0, 1], [0.9, 0.4])
    """

    def __init__(self, rows: Sequence[Mapping[str, Any]] = ()) -> None:
        names = dict.fromkeys(name for row in rows for name in row if name != "epoch")
        self.epoch: list[int] = [row["epoch"] for row in rows]
        self.history: dict[str, list[Any]] = {name: [row.get(name) for row in rows] for name in names}

    def __len__(self) -> int:
        return len(self.epoch)

    def __repr__(self) -> str:
        last = ", ".join(f"{name} {self.history[name][-1]:.4g}" for name in ("loss", "val_loss") if self.history.get(name))
        return f"History({len(self)} epochs{f', {last}' if last else ''})"
