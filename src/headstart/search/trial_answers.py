"""Store and load each trial's predictions of samples that it was not fitted to, by which trials are compared."""

from __future__ import annotations

import numpy as np

from headstart.data.dataset import Dataset
from headstart.foundation.runs.file_reading import reading, unreadable
from headstart.foundation.runs.files import replacing
from headstart.foundation.runs.run_folder import RunFolder
from headstart.training.examples import HeldOut

__all__ = ["keep_answers", "read_answers"]

_FILE = "held_out.npz"


def keep_answers(folder: RunFolder, trial: str, held_out: HeldOut) -> None:
    """Write a trial's predictions of samples that it was not fitted to."""
    with replacing(folder.trial(trial) / _FILE) as temporary:
        np.savez(temporary, samples=held_out.samples, answers=np.asarray(held_out.answers, np.float32))


def read_answers(folder: RunFolder, trial: str, dataset: Dataset) -> HeldOut:
    """Read the predictions that ``keep_answers`` wrote, in this process or an earlier one, without unpickling.

    Args:
        folder: The run folder.
        trial: Name of the trial.
        dataset: The samples of the run, with their splits.

    Raises:
        RunError: The file is missing or damaged, or lacks a validation sample (H502).
    """
    path = folder.trial(trial) / _FILE
    with reading(path), path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
        held_out = HeldOut(arrays["samples"], arrays["answers"])
    samples, answers = held_out
    if samples.ndim != 1 or samples.dtype.kind != "i" or answers.shape != (len(samples), dataset.num_classes):
        raise unreadable(path, f"predictions of shape {answers.shape} for samples of shape {samples.shape}")
    is_known = ((samples >= 0) & (samples < len(dataset))).all() and len(np.unique(samples)) == len(samples)
    if not is_known or not np.isfinite(answers).all() or not np.isin(dataset.indices("validation"), samples).all():
        raise unreadable(path, "predictions that are not those of the validation split")
    return held_out
