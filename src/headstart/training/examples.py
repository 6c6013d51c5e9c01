"""What a training gets: ``Examples``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from headstart.data.tasks import Task
from headstart.foundation.arrays import Array

__all__ = ["Examples"]


class Examples(NamedTuple):
    """Rows and labels to train and validate on.

    Attributes:
        rows: Training rows, ``(n, …)``, in memory or mapped from a file.
        labels: ``Dataset.targets`` of the training rows.
        val_rows: Validation rows.
        val_labels: ``Dataset.targets`` of the validation rows.
        task: The task, which defines targets, loss and metric.
        num_classes: Number of classes, labels or targets.
        one_hot: For each category of a table, the range of its one-hot columns. Defaults to none.
        folds: Fold in which each training row, then each validation row is held out, ``(n + m,)``; -1 for rows that are in
            none. The solver then selects on all folds and fits all rows. Defaults to None: it selects on the validation rows
            and fits the training rows.
        num_views: Number of training rows, the last ones, that are augmented copies. Defaults to 0.
    """

    rows: Array
    labels: Array
    val_rows: Array
    val_labels: Array
    task: Task
    num_classes: int
    one_hot: Sequence[range] = ()
    folds: Array | None = None
    num_views: int = 0

    def dense(self, num_codes: int) -> Examples:
        """Drop the codes of large categories, the last columns of a table's rows, from which a solver cannot learn."""
        if not num_codes:
            return self
        return self._replace(rows=self.rows[:, :-num_codes], val_rows=self.val_rows[:, :-num_codes])

    def parts(self) -> list[tuple[Array, Array, Array, Array, Array]]:
        """For each fold, the positions of the rows that it holds out; rows and labels to fit; and rows and labels held out.

        Positions count training rows, then validation rows. Without folds, or if they are the only fold, the validation rows
        are held out, and nothing is copied.
        """
        numbers = np.unique(self.folds[self.folds >= 0]) if self.folds is not None else ()
        if self.folds is None or len(numbers) < 2:
            places = np.arange(len(self.rows), len(self.rows) + len(self.val_rows))
            return [(places, self.rows, self.labels, self.val_rows, self.val_labels)]
        rows, labels = np.concatenate([self.rows, self.val_rows]), np.concatenate([self.labels, self.val_labels])
        chosen = [self.folds == number for number in numbers]
        return [(np.flatnonzero(out), rows[~out], labels[~out], rows[out], labels[out]) for out in chosen]
