"""Members of one network: each learns from the rows outside a fold, and predicts those in it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.features.backbones.network_weights import set_weights
from headstart.foundation.arrays import Array
from headstart.training.examples import Examples, HeldOut
from headstart.training.networks.outputs import MEMBERS, outputs_of_members
from headstart.training.networks.table_network import groups_of

if TYPE_CHECKING:
    import keras

__all__ = ["Members"]

_MAX_LOG_TEMPERATURE = 1.5
_SMALLEST = 1e-7  # a probability, before its logarithm is taken


@dataclass(frozen=True)
class Members:
    """The members of a network with its training and validation rows.

    Groups of members are dealt to the folds in turn. Without folds, all members learn from the training rows.

    Attributes:
        examples: The rows, and the folds in which they are held out.
        folds: Fold that each member leaves out, ``(members,)``.
    """

    examples: Examples
    folds: Array

    @classmethod
    def of(cls, network: keras.Model, examples: Examples) -> Members:
        """Members of a network that ends with their mean."""
        numbers, num_members = examples.fold_numbers, outputs_of_members(network).shape[1]
        return cls(examples, np.array([numbers[i % groups_of(network) % len(numbers)] for i in range(num_members)]))

    @property
    def rows(self) -> Array:
        """Rows that some member learns from."""
        rows, val_rows = self.examples.rows, self.examples.val_rows
        return np.concatenate([rows, val_rows]) if self._is_folded else rows

    @property
    def held_out_rows(self) -> Array:
        """Rows that some member leaves out, in the order of ``places``."""
        return self.rows[self.places] if self._is_folded else self.examples.val_rows

    @property
    def places(self) -> Array:
        """Positions of the rows that some member leaves out, counted from the training rows on to the validation rows."""
        return np.flatnonzero(self.examples.fold_of_rows >= 0)

    @property
    def labels(self) -> Array:
        """Labels of all training and validation rows."""
        return np.concatenate([self.examples.labels, self.examples.val_labels])

    def targets(self, loss: str) -> Array:
        """Targets of ``rows`` for each member, ``(n, members, …)``, which are one array in memory."""
        targets = self.examples.task.to_targets(self.labels[: len(self.rows)], loss, self.examples.num_classes)
        if self.examples.task.name == "binary":
            targets = targets[:, None]  # one unit
        shape = (len(targets), len(self.folds), *targets.shape[1:])
        copies: Array = np.broadcast_to(targets[:, None], shape)
        return copies

    def weights(self) -> Array | None:
        """Weight of each of ``rows`` for each member: 0 in its own fold. None if all weights are equal."""
        if not self._is_folded:
            return None
        learns = self._leaves_out(np.arange(len(self.rows))) == 0
        weights: Array = (learns / learns.mean()).astype(np.float32)
        return weights

    def answers(self, outputs: Array) -> Array:
        """Mean predictions of ``held_out_rows`` by the members that left them out, from outputs ``(n, members, units)``."""
        shares = self._leaves_out(self.places)
        mean = np.einsum("nmu,nm->nu", outputs, shares / shares.sum(axis=1, keepdims=True))
        return self.examples.task.to_answers(mean)

    def calibrate(self, model: keras.Model) -> HeldOut:
        """Scale the members' outputs before their activation by the temperature with the lowest loss on held-out rows.

        Guo et al., 2017, "On calibration of modern neural networks" (https://arxiv.org/abs/1706.04599). The temperature
        becomes part of the weights of the layer ``MEMBERS``.

        Args:
            model: From rows to the outputs of all members.

        Returns:
            Predictions of the rows that members left out, by these members.
        """
        from headstart.training.row_batches import predict_rows

        outputs = predict_rows(model, self.held_out_rows)
        if (soften := _SOFTENED.get(self.examples.task.activation)) is not None:
            temperature = self._best_temperature(lambda by: self.answers(soften(outputs, by)))
            layer = model.get_layer(MEMBERS)
            set_weights(layer, [np.asarray(weight / temperature, np.float32) for weight in layer.get_weights()])
            outputs = predict_rows(model, self.held_out_rows)  # not softened, because saturated outputs were rounded
        return HeldOut(self.places, self.answers(outputs))

    def _best_temperature(self, answers: Callable[[float], Array]) -> float:
        from scipy.optimize import minimize_scalar

        task, labels = self.examples.task, self.labels[self.places]
        bounds = (-_MAX_LOG_TEMPERATURE, _MAX_LOG_TEMPERATURE)
        found: Any = minimize_scalar(lambda log: task.score(labels, answers(np.exp(log))), bounds=bounds, method="bounded")
        return float(np.exp(found.x))

    @property
    def _is_folded(self) -> bool:
        return len(self.examples.fold_numbers) > 1

    def _leaves_out(self, places: Array) -> Array:
        """1 where a member leaves a row out, else 0, float32 ``(n, members)``."""
        left_out: Array = (self.examples.fold_of_rows[places][:, None] == self.folds[None]).astype(np.float32)
        return left_out


def _softened_sigmoid(outputs: Array, temperature: float) -> Array:
    likely = np.clip(outputs, _SMALLEST, 1 - _SMALLEST)
    odds = np.log(likely / (1 - likely)) / temperature
    result: Array = 1 / (1 + np.exp(-odds))
    return result


def _softened_softmax(outputs: Array, temperature: float) -> Array:
    powers = np.clip(outputs, _SMALLEST, 1) ** (1 / temperature)
    result: Array = powers / powers.sum(axis=-1, keepdims=True)
    return result


_SOFTENED: dict[str, Callable[[Array, float], Array]] = {"sigmoid": _softened_sigmoid, "softmax": _softened_softmax}
