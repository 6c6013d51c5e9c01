"""Keras callbacks, each with one job, for any Keras ``fit``.

The callbacks pass numbers on through the epoch's logs, so their order matters: ``ValidationScore`` comes first, callbacks
that read its numbers follow, and ``TrainingState`` comes last. Early stopping and reducing the rate on a plateau are
Keras's own callbacks.

Example::

    model.fit(x, y, verbose=0, callbacks=[hs.callbacks.LiveLoss(), hs.callbacks.StopOnNaN()])
"""

from __future__ import annotations

from headstart.training.callbacks.best_checkpoint import BestCheckpoint
from headstart.training.callbacks.live_loss import LiveLoss
from headstart.training.callbacks.rate_schedules import CosineWithWarmUp, OneCycle, RateSchedule, StepDecay
from headstart.training.callbacks.run_recorder import RunRecorder
from headstart.training.callbacks.stopping import StopAtDeadline, StopOnNaN
from headstart.training.callbacks.training_state import Resumable, TrainingState
from headstart.training.callbacks.validation_score import ValidationScore

__all__ = [
    "BestCheckpoint",
    "CosineWithWarmUp",
    "LiveLoss",
    "OneCycle",
    "RateSchedule",
    "Resumable",
    "RunRecorder",
    "StepDecay",
    "StopAtDeadline",
    "StopOnNaN",
    "TrainingState",
    "ValidationScore",
]
