"""Part B: callbacks with one job each, usable in any Keras ``fit``. EarlyStopping and ReduceLROnPlateau are Keras's own.

They share their numbers through the epoch's logs, so the order matters: ``ValidationScore`` first, readers after it,
``TrainingState`` last.
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
