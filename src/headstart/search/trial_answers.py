"""Store and load each trial's predictions on the validation split, by which trials are compared."""

from __future__ import annotations

import numpy as np

from headstart.foundation.arrays import Array
from headstart.foundation.runs.file_reading import reading, unreadable
from headstart.foundation.runs.files import replacing
from headstart.foundation.runs.run_folder import RunFolder

__all__ = ["keep_answers", "read_answers"]

_FILE = "validation.npy"


def keep_answers(folder: RunFolder, trial: str, answers: Array) -> None:
    """Write a trial's predictions ``(n, columns)`` on the validation split, in the scale of ``Dataset.targets``."""
    with replacing(folder.trial(trial) / _FILE) as temporary:
        np.save(temporary, np.asarray(answers, np.float32), allow_pickle=False)


def read_answers(folder: RunFolder, trial: str, num_samples: int) -> Array:
    """Read the predictions that ``keep_answers`` wrote, in this process or an earlier one, without unpickling.

    Raises:
        RunError: The file is missing or damaged, or has a different number of samples (H502).
    """
    path = folder.trial(trial) / _FILE
    with reading(path), path.open("rb") as file:
        answers: Array = np.lib.format.read_array(file, allow_pickle=False)
    if answers.ndim != 2 or len(answers) != num_samples:
        raise unreadable(path, f"an array of shape {answers.shape} for {num_samples} validation samples")
    return answers
