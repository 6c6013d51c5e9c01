"""Names that people give to splits: folders such as ``Training`` or ``seg_test``, and columns such as ``data set``."""

from __future__ import annotations

import re
from collections.abc import Container

from headstart.data.tables.table import Table
from headstart.foundation.text import nearest

__all__ = ["meant_split", "split_column", "split_in", "split_named", "split_of_cell", "unused_splits"]

_SPLITS = {
    "train": ("train", "training", "trn"),
    "validation": ("val", "valid", "validation", "dev", "eval", "publictest"),
    "test": ("test", "testing", "tst", "holdout", "privatetest"),
}
_SPLIT_OF = {word: split for split, words in _SPLITS.items() for word in words}
_FILLERS = {"seg", "set", "split", "data", "dataset", "image", "images", "imgs", "photos", "pictures"}
_COLUMNS = {"split", "datasplit", "set", "dataset", "subset", "partition", "fold", "phase", "usage"}
_UNUSED = {"split", "datasplit", "fold", "folds", "kfold", "cvfold", "foldid"}
_FLAGS = {  # names of columns of yes and no, with the splits of both
    "isvalid": ("validation", "train"),
    "isvalidation": ("validation", "train"),
    "isval": ("validation", "train"),
    "istest": ("test", "train"),
    "istrain": ("train", "test"),
}
_YES, _NO = ("true", "1", "1.0", "yes"), ("false", "0", "0.0", "no")
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[^\W_a-zA-Z]+")


def split_named(name: str) -> str:
    """Return the split that a name stands for: ``train``, ``validation`` or ``test``; "" if it stands for none.

    Case, separators and words such as ``set`` or ``images`` do not matter.

    Example:
        >>> [split_named(name) for name in ("Training", "seg_test", "ValSet", "train_images", "test tube", "trainer")]
        ['train', 'test', 'validation', 'train', '', '']
    """
    words = [word.lower() for word in _WORDS.findall(name)]
    words = [re.sub(r"(?<=.)(set|data)$", "", word) for word in words if word not in _FILLERS]
    return _SPLIT_OF.get(words[0], "") if len(words) == 1 else ""


def split_in(name: str) -> str:
    """Return the split that a word in the name of a file or folder stands for, such as ``instances_train2017``; "" if none.

    Example:
        >>> split_in("instances_train2017"), split_in("_annotations.coco"), split_in("obj_valid_data")
        ('train', '', 'validation')
    """
    words = (word.lower() for word in _WORDS.findall(name))
    return next(filter(None, (_SPLIT_OF.get(word, "") for word in words)), "")


def split_column(table: Table, *, has_images: bool) -> str:
    """Return the first column whose name and cells are those of a split, such as ``subset``; "" if there is none.

    Args:
        table: Raw cells.
        has_images: Whether the table lists images. Then a column such as ``is_valid`` may say with yes and no which samples
            are for validation; in a table of features, that could be what is to be predicted.
    """
    for name in table.names:
        bare = _bare(name)
        if bare in _COLUMNS or (has_images and bare in _FLAGS):
            cells = table.column(name)
            if 2 * sum(bool(split_of_cell(name, cell)) for cell in cells) > len(cells):
                return name
    return ""


def unused_splits(table: Table) -> list[str]:
    """Columns called like a split or fold whose cells are not names of splits, such as numbers of folds."""
    return [name for name in table.names if _bare(name) in _UNUSED and name != split_column(table, has_images=True)]


def split_of_cell(column: str, cell: object) -> str | None:
    """Return the split that a cell of a split column stands for: "" if the cell is empty, None if it is unknown."""
    text = "" if cell is None else str(cell).strip().lower()
    if text in ("", "nan", "nat"):  # a missing cell of a data frame
        return ""
    if (flags := _FLAGS.get(_bare(column))) is not None:
        return flags[0] if text in _YES else flags[1] if text in _NO else None
    return split_named(text) or None


def meant_split(name: str, taken: Container[str] = tuple(_SPLITS)) -> str:
    """Return the split that a misspelled or foreign name probably stands for, or else the first one that is not there.

    Args:
        name: Name of a folder, or a cell.
        taken: The splits that are there. Defaults to all of them: only a similar name is one.

    Example:
        >>> meant_split("Validierung"), meant_split("tets"), meant_split("later"), meant_split("later", {"train"})
        ('validation', 'test', '', 'validation')
    """
    return _SPLIT_OF.get(nearest(name, _SPLIT_OF)) or next((split for split in _SPLITS if split not in taken), "")


def _bare(name: str) -> str:
    return re.sub(r"[\W_]+", "", name.lower())
