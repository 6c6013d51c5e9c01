"""``HeldOut``: predictions of samples by models that were not fitted to them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from headstart.foundation.arrays import Array

__all__ = ["HeldOut"]


class HeldOut(NamedTuple):
    """Predictions of samples by models that were not fitted to them: of the validation split, or of all folds.

    Attributes:
        samples: Positions of the samples in the data set, ``(n,)``, without repetition.
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
