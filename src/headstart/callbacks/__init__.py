"""Part B: callbacks with one job each, usable in any Keras ``fit``. EarlyStopping and ReduceLROnPlateau are Keras's own.

They share their numbers through the epoch's logs, so the order matters: ``ValidationScore`` first, readers after it,
``TrainingState`` last.
"""

from __future__ import annotations

from headstart.callbacks.best import BestCheckpoint
from headstart.callbacks.live import LiveLoss
from headstart.callbacks.rates import CosineWithWarmUp, OneCycle, RateSchedule, StepDecay
from headstart.callbacks.recorder import RunRecorder
from headstart.callbacks.resume import Resumable, TrainingState
from headstart.callbacks.stops import StopAtDeadline, StopOnNaN
from headstart.callbacks.validation import ValidationScore

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
