"""PartB: the trained part of a model. Builds its network, holds its weights and predicts stored rows."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np

from headstart.data.dataset import Dataset
from headstart.data.tasks import ONE_VS_REST, Task
from headstart.export.graphs.tree_arrays import Trees
from headstart.export.keras_file import check_keras_file
from headstart.features.backbones.network_weights import set_weights
from headstart.features.part_a import PartA
from headstart.foundation.arrays import Array
from headstart.foundation.runs.file_reading import reading
from headstart.foundation.runs.files import replacing
from headstart.training.classical.baselines import BASELINES
from headstart.training.keras_training import Built
from headstart.training.networks.networks import NETWORKS, Joined, build_head, join
from headstart.training.networks.one_vs_rest import CALIBRATION, calibrate, cross_calibrated, shared_out
from headstart.training.networks.outputs import in_units, outputs_of
from headstart.training.networks.tree_network import num_weights, tree_network
from headstart.training.recipe import Recipe

if TYPE_CHECKING:
    import keras

__all__ = ["PartB"]


class PartB:
    """The part of the network after the cut.

    Args:
        part: Part A, with its cut.
        recipe: The recipe, with the network and its options.
        dataset: The data set, with the task, its classes and the scaling of targets.
        shape: Shape of a row at the cut.
        num_samples: Number of training samples, for sizing the network.
        code_sizes: Number of codes of each large category of a table. Defaults to none.
    """

    def __init__(
        self,
        part: PartA,
        recipe: Recipe,
        dataset: Dataset,
        shape: Sequence[int],
        num_samples: int,
        code_sizes: Sequence[int] = (),
    ) -> None:
        self.part, self.recipe, self.dataset = part, recipe, dataset
        self.shape, self.num_samples, self.code_sizes = tuple(shape), num_samples, tuple(code_sizes)
        self._weights: list[Array] = []
        self._joined: Joined | None = None
        self._shared: Joined | None = None
        self._network: keras.Model | None = None
        self._head_alone: keras.Model | None = None  # without layers of the backbone

    @property
    def is_baseline(self) -> bool:
        """Whether Part B is a baseline, which is not a Keras network."""
        return self.recipe.network in BASELINES

    @property
    def is_one_vs_rest(self) -> bool:
        """Whether Part B has one network per class."""
        return not self.is_baseline and NETWORKS[self.recipe.network].is_one_vs_rest

    @property
    def task(self) -> Task:
        """The task that defines how Part B is trained and scored."""
        return ONE_VS_REST if self.is_one_vs_rest else self.dataset.scored_task

    def build(self) -> Built:
        """Build a new network. Returns it, and those of its layers that belong to the backbone."""
        self._shared = None
        if not self.part.is_inner:
            self._network = self._head(self.shape)
            return self._network, []
        self._joined = join(self.part, self._head)
        self._network = self._joined.part_b
        return self._network, self._joined.tail

    def set_weights(self, weights: list[Array]) -> None:
        """Set the weights that a training returned."""
        self._weights = weights
        if self._network is not None:
            set_weights(self._network, weights)

    @property
    def network(self) -> keras.Model:
        """The network from a row at the cut to the task's output; for a regression, in the scale of training."""
        if self._network is None:
            set_weights(self.build()[0], self._weights)
        return cast("keras.Model", self._network)

    def head(self) -> keras.Model:
        """Return the network from a row at the cut to what the saved model gives, in the scale of training."""
        return self._sharing().part_b if self.is_one_vs_rest else self.network

    def joined(self) -> Joined:
        """Return both parts as models that share layers, with outputs in the scale of training."""
        if self.is_one_vs_rest:
            return self._sharing()
        if self.is_baseline:
            trees = tree_network(Trees.from_weights(self._weights))
            return Joined(trees, trees, [], trees.inputs[0], trees.inputs[0])
        network = self.network
        if self.part.is_table:
            import keras

            whole = keras.Model(network.input, network.output)  # drops the optimizer's state
            return Joined(network, whole, [], network.inputs[0], network.inputs[0])
        if self._joined is None:
            self._joined = join(self.part, lambda _: network)
        return self._joined

    def shipped(self) -> keras.Model:
        """Return both parts as the model that is saved and exported, with outputs in the user's units."""
        whole = self.joined().whole
        return whole if self.dataset.scaling is None else in_units(whole, self.dataset.scaling)

    def features(self, rows: Array) -> Array:
        """Compute the input of the head, ``(n, features)``, from rows at the cut."""
        if not self.part.is_inner:
            return rows
        import keras

        from headstart.training.row_batches import predict_rows

        joined = self.joined()
        return predict_rows(keras.Model(joined.row, joined.features), rows)

    def _sharing(self, *, load: bool = True) -> Joined:
        """One-vs-rest networks with normalised outputs. They share the head's layers; the backbone's layers are copied."""
        network = self.network
        if self._shared is None:
            head = shared_out(cast("keras.Model", self._head_alone))
            self._shared = (
                Joined(head, head, [], head.inputs[0], head.inputs[0])
                if self.part.is_table
                else join(self.part, lambda _: head, load=load)
            )
        set_weights(self._shared.part_b, network.get_weights())
        return self._shared

    def answers(self, rows: Array) -> Array:
        """Predict rows at the cut: ``(n, columns)``, in the scale of ``Dataset.targets``."""
        from headstart.training.row_batches import predict_rows

        output = Trees.from_weights(self._weights).predict(rows) if self.is_baseline else predict_rows(self.network, rows)
        return self.task.to_answers(output)

    def calibrate(self, labels: Array, rows: Array, groups: Array | None = None) -> Array:
        """Calibrate one-vs-rest networks on validation rows.

        Args:
            labels: Class numbers of the rows, ``(n,)``.
            rows: Rows at the cut.
            groups: Group number of each row. Defaults to None: rows are independent.

        Returns:
            Predictions for the rows, ``(n, classes)``, each by a calibration fitted on other rows.
        """
        from headstart.training.row_batches import predict_rows

        probabilities = predict_rows(self.network, rows)
        slope, offsets = calibrate(labels, probabilities)
        calibration = cast("keras.Model", self._head_alone).get_layer(CALIBRATION)
        gamma, beta, mean, variance = calibration.get_weights()
        set_weights(calibration, [gamma * slope, beta * slope + offsets, mean, variance])
        self._weights = self.network.get_weights()
        return cross_calibrated(labels, probabilities, groups)

    def output(self, inputs: Array) -> Array:
        """Compute the saved model's output, ``(n, units)``, for pixels or encoded rows."""
        if not self.is_baseline:
            return outputs_of(self.shipped(), inputs)
        return np.asarray(self.dataset.in_units(Trees.from_weights(self._weights).predict(inputs)), np.float32)

    def num_params(self) -> int:
        """Count the parameters of both parts."""
        if self.is_baseline:
            return Trees.from_weights(self._weights).num_params
        if self._joined is not None:
            return int(self._joined.whole.count_params())
        return int(self.network.count_params()) + (0 if self.part.is_table else _num_parameters(self.part))

    def num_weights(self) -> int:
        """Count the weights of ``whole``: for trees, those of the network that predicts what they do."""
        return num_weights(Trees.from_weights(self._weights)) if self.is_baseline else self.num_params()

    @property
    def file(self) -> str:
        """Name of the weights file in a trial's folder."""
        return "model.npz" if self.is_baseline else "model.keras"

    def save(self, folder: Path, *, anew: bool = False) -> None:
        """Write the weights, unless the file exists already and ``anew`` is False."""
        path = folder / self.file
        if path.exists() and not anew:
            return
        with replacing(path) as temporary:
            if self.is_baseline:
                np.savez(temporary, *self._weights)
            else:
                self.network.save(temporary)

    def restore(self, folder: Path) -> list[Array]:
        """Load and return the weights that ``save`` or a training wrote to a folder."""
        path = folder / self.file
        if self.is_baseline:
            self._weights = Trees.read(path, self.shape[0]).weights()
        else:
            network, _ = self.build()
            with reading(path):
                network.load_weights(path)
            self._weights = network.get_weights()
        return self._weights

    def load(self, file: Path, *, has_more: bool = False) -> list[Array]:
        """Load the weights of a saved model, and return the weights of Part B.

        Args:
            file: The saved model.
            has_more: Whether it has more layers than these, for another output. Defaults to False.
        """
        if self.is_baseline:
            return self.restore(file.parent)
        if self.part.is_table:
            network, _ = self.build()
        else:
            self._joined = join(self.part, self._head, load=False)
            network = self._network = self._joined.part_b
        if self.is_one_vs_rest:
            shared = self._sharing(load=False)
            _load(shared.whole, file, has_more=has_more)
            set_weights(network, shared.part_b.get_weights())
        else:
            _load(self.shipped(), file, has_more=has_more)
        self._weights = network.get_weights()
        return self._weights

    def _head(self, shape: Sequence[int]) -> keras.Model:
        self._head_alone = build_head(
            self.recipe.network,
            shape,
            self.dataset.task,
            self.dataset.num_classes,
            num_samples=self.num_samples,
            options=self.recipe.options,
            code_sizes=self.code_sizes,
        )
        return self._head_alone


def _load(model: keras.Model, file: Path, *, has_more: bool) -> None:
    """Load the weights of a saved model into one that may lack some of its layers."""
    if not has_more:
        model.load_weights(file)
        return
    import keras

    # Keras stores weights by the order of layers, so that a file with more of them cannot be loaded directly.
    check_keras_file(file)
    saved = keras.models.load_model(file, compile=False, safe_mode=True)
    for layer in model.layers:
        if layer.weights:
            set_weights(layer, saved.get_layer(layer.name).get_weights())


@lru_cache
def _num_parameters(part: PartA) -> int:
    import keras

    tensors = part.tensors(load=False)
    return int(keras.Model(tensors.image, tensors.row).count_params())
