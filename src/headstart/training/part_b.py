"""The whole: Part B of a model: built for the rows of a data set, given the weights of a training, and asked for answers."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np

from headstart.data.dataset import Dataset
from headstart.data.tasks import ONE_VS_REST, Task
from headstart.export.tree_arrays import Trees
from headstart.features.backbones.network_weights import set_weights
from headstart.features.part_a import PartA
from headstart.foundation.arrays import Array
from headstart.foundation.runs.file_reading import reading
from headstart.foundation.runs.files import replacing
from headstart.training.classical.baselines import BASELINES
from headstart.training.keras_training import Built
from headstart.training.networks.networks import NETWORKS, Joined, build_head, join
from headstart.training.networks.one_vs_rest import CALIBRATION, calibrate, cross_calibrated, shared_out
from headstart.training.networks.outputs import in_units
from headstart.training.recipe import Recipe

if TYPE_CHECKING:
    import keras

__all__ = ["PartB"]


class PartB:
    """What stands behind the cut.

    Args:
        part: Part A, which says where the cut lies.
        recipe: The network and its options.
        dataset: What it is for: the task, its classes, and the scale of a regression.
        shape: Of a row at the cut.
        num_samples: Training samples, which the network is sized by.
        code_sizes: Of a table's large categories.
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
        self._head_alone: keras.Model | None = None  # without a backbone's tail

    @property
    def is_baseline(self) -> bool:
        """Whether it is no network of Keras."""
        return self.recipe.network in BASELINES

    @property
    def is_one_vs_rest(self) -> bool:
        """Whether it is a network for each class."""
        return not self.is_baseline and NETWORKS[self.recipe.network].is_one_vs_rest

    @property
    def task(self) -> Task:
        """How it is trained and scored."""
        return ONE_VS_REST if self.is_one_vs_rest else self.dataset.scored_task

    def build(self) -> Built:
        """A fresh network, and the layers in it that come from the backbone."""
        self._shared = None
        if not self.part.is_inner:
            self._network = self._head(self.shape)
            return self._network, []
        self._joined = join(self.part, self._head)
        self._network = self._joined.part_b
        return self._network, self._joined.tail

    def set_weights(self, weights: list[Array]) -> None:
        """Take what a training ended with."""
        self._weights = weights
        if self._network is not None:
            set_weights(self._network, weights)

    @property
    def network(self) -> keras.Model:
        """The row at the cut in, the task's output out, in the scale that a regression learns in."""
        if self._network is None:
            set_weights(self.build()[0], self._weights)
        return cast("keras.Model", self._network)

    def whole(self) -> keras.Model:
        """Both parts, image of 0..255 in; of a table, whose encoder is no network, the encoded row in. Not yet in units."""
        if self.is_one_vs_rest:
            return self._sharing().whole
        if self.part.is_table:
            import keras

            return keras.Model(self.network.input, self.network.output)  # without the state of an optimizer
        if self._joined is None:
            network = self.network
            self._joined = join(self.part, lambda _: network)
        return self._joined.whole

    def shipped(self) -> keras.Model:
        """The same as it is shipped: answers in the user's units."""
        whole = self.whole()
        return whole if self.dataset.scaling is None else in_units(whole, self.dataset.scaling)

    def _sharing(self, *, load: bool = True) -> Joined:
        """One-vs-rest networks that answer in shares, on the layers of the head; those of a backbone's tail are copied."""
        network = self.network
        if self._shared is None:
            head = shared_out(cast("keras.Model", self._head_alone))
            self._shared = Joined(head, head, []) if self.part.is_table else join(self.part, lambda _: head, load=load)
        set_weights(self._shared.part_b, network.get_weights())
        return self._shared

    def answers(self, rows: Array) -> Array:
        """Answers to rows at the cut, ``(n, columns)``, in the scale that ``Dataset.targets`` has."""
        from headstart.training.row_batches import predict_rows

        output = Trees.from_weights(self._weights).predict(rows) if self.is_baseline else predict_rows(self.network, rows)
        return self.task.to_answers(output)

    def calibrate(self, labels: Array, rows: Array, groups: Array | None = None) -> Array:
        """Calibrate the models of one class each on validation rows.

        Args:
            labels: Class numbers of the rows, ``(n,)``.
            rows: Rows at the cut.
            groups: Group number of each row; None where rows are independent.

        Returns:
            Answers to the rows, ``(n, classes)``, each by a calibration on other rows than its own.
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
        """What the whole model as it is shipped gives, ``(n, units)``: of pixels, or of encoded rows."""
        if not self.is_baseline:
            return np.asarray(self.shipped().predict(np.asarray(inputs, np.float32), verbose=0), np.float32)
        return np.asarray(self.dataset.in_units(Trees.from_weights(self._weights).predict(inputs)), np.float32)

    def num_params(self) -> int:
        """Parameters of both parts."""
        if self.is_baseline:
            return Trees.from_weights(self._weights).num_params
        if self._joined is not None:
            return int(self._joined.whole.count_params())
        return int(self.network.count_params()) + (0 if self.part.is_table else _num_parameters(self.part))

    @property
    def file(self) -> str:
        """The name under which its weights lie in a trial's folder."""
        return "model.npz" if self.is_baseline else "model.keras"

    def save(self, folder: Path, *, anew: bool = False) -> None:
        """Write its weights, where training has not done so, or ``anew``."""
        path = folder / self.file
        if path.exists() and not anew:
            return
        with replacing(path) as temporary:
            if self.is_baseline:
                np.savez(temporary, *self._weights)
            else:
                self.network.save(temporary)

    def restore(self, folder: Path) -> list[Array]:
        """Take the weights that ``save`` or a training left in a folder, and give them."""
        path = folder / self.file
        if self.is_baseline:
            self._weights = Trees.read(path, self.shape[0]).weights()
        else:
            network, _ = self.build()
            with reading(path):
                network.load_weights(path)
            self._weights = network.get_weights()
        return self._weights

    def load(self, file: Path) -> list[Array]:
        """Take the weights of a whole model that was shipped, and give those of Part B."""
        if self.is_baseline:
            return self.restore(file.parent)
        if self.part.is_table:
            network, _ = self.build()
        else:
            self._joined = join(self.part, self._head, load=False)
            network = self._network = self._joined.part_b
        if self.is_one_vs_rest:
            shared = self._sharing(load=False)
            shared.whole.load_weights(file)
            set_weights(network, shared.part_b.get_weights())
        else:
            self.shipped().load_weights(file)
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


@lru_cache
def _num_parameters(part: PartA) -> int:
    import keras

    tensors = part.tensors(load=False)
    return int(keras.Model(tensors.image, tensors.row).count_params())
