"""Rows with labels to train and validate on, in folds or not, and predictions of rows that a model was not fitted to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from headstart.data.tasks import Task
from headstart.foundation.arrays import Array

__all__ = ["Examples", "HeldOut"]


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

    @property
    def fold_of_rows(self) -> Array:
        """Fold in which each training row, then each validation row is held out; -1 for none."""
        alone = np.repeat([-1, 0], [len(self.rows), len(self.val_rows)])
        return alone if self.folds is None else self.folds

    @property
    def fold_numbers(self) -> list[int]:
        """Number of each fold."""
        return [int(number) for number in np.unique(self.fold_of_rows) if number >= 0]

    def in_folds(self) -> Iterator[tuple[Array, Examples]]:
        """For each fold, the positions of its rows, and examples in which they are the validation rows.

        Positions count training rows, then validation rows. If there is one fold, nothing is copied.
        """
        if len(self.fold_numbers) == 1:
            yield np.arange(len(self.rows), len(self.rows) + len(self.val_rows)), self
            return
        rows, labels = np.concatenate([self.rows, self.val_rows]), np.concatenate([self.labels, self.val_labels])
        for number in self.fold_numbers:
            out = self.fold_of_rows == number
            yield (
                np.flatnonzero(out),
                self._replace(rows=rows[~out], labels=labels[~out], val_rows=rows[out], val_labels=labels[out], folds=None),
            )


class HeldOut(NamedTuple):
    """Predictions of samples by models that were not fitted to them: of the validation split, or of all folds.

    Attributes:
        samples: Positions of the samples, ``(n,)``, without repetition.
        answers: Predictions of these samples, ``(n, columns)``, in the scale of ``Dataset.targets``.

    Example:
        >>> held_out = HeldOut(np.array([5, 2]), np.array([[0.1, 0.9], [0.8, 0.2]]))
        >>> held_out.at(np.array([2]))
        array([[0.8, 0.2]])
    """

    samples: Array
    answers: Array

    def at(self, samples: Array) -> Array:
        """Predictions of some samples, in the order given.

        Raises:
            ValueError: A sample was not predicted.
        """
        order = np.argsort(self.samples)
        places = np.searchsorted(self.samples[order], samples)
        if len(samples) and (places.max() >= len(order) or (self.samples[order[places]] != samples).any()):
            raise ValueError("a sample without a held-out prediction")
        found: Array = self.answers[order[places]]
        return found
