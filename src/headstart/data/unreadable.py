"""The error for a data set, or a class of it, of which no image can be read."""

from __future__ import annotations

import json
import os
import shlex
from collections import Counter
from collections.abc import Mapping
from pathlib import PurePath

from headstart.data.dataset import Dataset
from headstart.data.images.preprocess import FORMATS
from headstart.data.tasks import TASKS
from headstart.foundation.errors import DatasetError
from headstart.foundation.text import listed, printable

__all__ = ["check_readable"]

_CONVERT = "pip install pillow-heif; convert them to JPEG{rename}, and fit again: {command}"
_RAW = "convert them to JPEG with a raw developer such as darktable{rename}, and fit again"
_IMAGES = "give the folder that holds the images: headstart fit FOLDER"
_DAMAGED = "open {file} in an image viewer: save it in one of these formats, or download it again if it is damaged"
_ADVICE = {  # by suffix
    **dict.fromkeys((".heic", ".heif"), _CONVERT),
    **dict.fromkeys((".dng", ".nef", ".cr2", ".cr3", ".arw", ".orf", ".rw2", ".raf", ".raw"), _RAW),
    **dict.fromkeys(("", ".csv", ".tsv", ".md", ".txt", ".json", ".pdf"), _IMAGES),
}


def check_readable(dataset: Dataset, failures: Mapping[int, str]) -> None:
    """Reject a data set without a readable image, or with a class without one.

    Args:
        dataset: The images.
        failures: Reason by position, for images that cannot be read.

    Raises:
        DatasetError: No image of the data set, or of a class, can be read (H137).
    """
    labels = dataset.labels.tolist() if TASKS[dataset.task].has_classes else [0] * len(dataset)
    readable = {label for i, label in enumerate(labels) if i not in failures}
    gone = [i for i in sorted(failures) if labels[i] not in readable]
    if not gone:
        return
    lost = [dataset.classes[label] for label in sorted({labels[i] for i in gone})]
    files = "1 file" if len(gone) == 1 else f"{len(gone)} files"
    of_class = f" of {listed(lost)}" if readable else ""
    example = f"{dataset.paths[gone[0]]}: {failures[gone[0]]}"
    raise DatasetError(
        "H137",
        "the images cannot be read",
        received=f"{dataset.name}: none of {files}{of_class} can be read, such as {example}",
        expected=f"images in one of the formats {', '.join(FORMATS)}",
        advice=_advice(dataset, [dataset.paths[i] for i in gone]),
    )


def _advice(dataset: Dataset, files: list[str]) -> str:
    """Advice for files that cannot be read, by the most frequent of their suffixes."""
    suffix, _ = Counter(PurePath(file).suffix.lower() for file in files).most_common(1)[0]
    folder = os.path.dirname(os.path.commonprefix(files)) or "."  # noqa: PTH120, RUF071 - of relative and absolute paths
    program = (
        "import pathlib, pillow_heif; from PIL import Image; pillow_heif.register_heif_opener(); "
        f'files = [file for file in pathlib.Path({json.dumps(folder, ensure_ascii=False)}).rglob("*") '
        f'if file.suffix.lower() == "{suffix}"]; '
        '[Image.open(file).convert("RGB").save(file.with_suffix(".jpg"), quality=95) for file in files]'
    )
    command = f"python -c {shlex.quote(program)}"
    rename = ", name the JPEG files in the table" if dataset.target_columns else ""
    advice = _ADVICE.get(suffix, _DAMAGED).format(file=printable(files[0]), command=command, rename=rename)
    return f"unpack the archive, and {advice}" if dataset.root and command in advice else advice
