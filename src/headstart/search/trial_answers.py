"""Store and load each trial's predictions of samples that it was not fitted to, by which trials are compared."""

from __future__ import annotations

import numpy as np

from headstart.foundation.arrays import Array
from headstart.foundation.runs.file_reading import reading, unreadable
from headstart.foundation.runs.files import replacing
from headstart.foundation.runs.run_folder import RunFolder
from headstart.models.held_out import HeldOut

__all__ = ["keep_answers", "read_answers"]

_FILE = "held_out.npz"


def keep_answers(folder: RunFolder, trial: str, held_out: HeldOut) -> None:
    """Write a trial's predictions of samples that it was not fitted to."""
    with replacing(folder.trial(trial) / _FILE) as temporary:
        np.savez(temporary, samples=held_out.samples, answers=np.asarray(held_out.answers, np.float32))


def read_answers(folder: RunFolder, trial: str, required: Array) -> HeldOut:
    """Read the predictions that ``keep_answers`` wrote, in this process or an earlier one, without unpickling.

    Args:
        folder: The run folder.
        trial: Name of the trial.
        required: Positions of samples that must be among them.

    Raises:
        RunError: The file is missing or damaged, or lacks one of these samples (H502).
    """
    path = folder.trial(trial) / _FILE
    with reading(path), path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
        held_out = HeldOut(arrays["samples"], arrays["answers"])
    if held_out.answers.ndim != 2 or held_out.samples.shape != held_out.answers.shape[:1]:
        raise unreadable(path, f"predictions of shape {held_out.answers.shape} for {held_out.samples.size} samples")
    if not np.isin(required, held_out.samples).all():
        raise unreadable(path, f"predictions of {held_out.samples.size} samples, without some of the validation split")
    return held_out
