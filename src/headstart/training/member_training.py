"""Train the members of one network with Keras's ``fit``, each on the rows outside its fold."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from headstart.foundation.arrays import Array
from headstart.training.keras_training import KerasTraining, Scores, batch_size, small_epochs
from headstart.training.members import Members
from headstart.training.networks.outputs import outputs_of_members

if TYPE_CHECKING:
    import keras

    from headstart.training.callbacks import BestCheckpoint, ValidationScore
    from headstart.training.row_batches import RowBatches

__all__ = ["MemberTraining"]

_SHARE_OF_EPOCHS = 0.4  # of those of other small networks: many members learn faster than one


@dataclass
class MemberTraining(KerasTraining):
    """A training of a network whose members learn on their own, and whose output is their mean.

    The loss is the mean of the members' losses, not that of their mean, so that each of them becomes a good model (TabM:
    Gorishniy, Kotelnikov and Babenko, 2025, https://arxiv.org/abs/2410.24210). The best epoch has the lowest loss of the
    predictions of all rows that members left out.
    """

    members: Members = field(init=False)

    def _learner(self, network: keras.Model) -> keras.Model:
        import keras

        self.members = Members.of(network, self.examples)
        return keras.Model(network.inputs, outputs_of_members(network))

    def _class_weights(self, model: keras.Model) -> None:  # noqa: ARG002 - predictions are calibrated instead
        return None

    def _validation_score(self, weights: Array | None) -> ValidationScore:  # noqa: ARG002 - there are none
        from headstart.training.callbacks import ValidationScore

        members = self.members
        labels = members.labels[members.places]
        return ValidationScore(members.held_out_rows, labels, self.examples.task, members.answers)

    def _batches(self, model: keras.Model, weights: Array | None) -> RowBatches:  # noqa: ARG002 - as above
        from headstart.training.row_batches import RowBatches

        rows, recipe = self.members.rows, self.recipe
        size = recipe.batch_size or 2 * batch_size(len(rows), 1)
        return RowBatches(rows, self.members.targets(self._loss()), size, seed=recipe.seed, weights=self.members.weights())

    def _epochs(self, model: keras.Model) -> int:  # noqa: ARG002 - they suit the number of rows
        return self.recipe.epochs or round(_SHARE_OF_EPOCHS * small_epochs(len(self.members.rows)))

    def _is_small(self, model: keras.Model) -> bool:  # noqa: ARG002 - it is, although it has many members
        return True

    def _metrics(self) -> list[object]:
        """None: those of the task take one prediction for each row."""
        return []

    def _finish(self, network: keras.Model, model: keras.Model, weights: Array | None, checkpoint: BestCheckpoint) -> Scores:
        """Calibrate the members, and score the validation rows by those that left them out."""
        del weights
        held_out, examples = self.members.calibrate(model), self.examples
        checkpoint.write(network)
        answers = held_out.at(np.arange(len(examples.rows), len(examples.rows) + len(examples.val_rows)))
        task, labels = examples.task, examples.val_labels
        return Scores(task.score(labels, answers), task.measure(labels, answers), held_out)
