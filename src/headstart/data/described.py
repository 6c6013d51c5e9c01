"""``Described``: a data set in one line, and as a table of its classes and splits for notebooks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np

from headstart.data.skipped import Skipped
from headstart.foundation.text import html_card, html_table, listed

__all__ = ["Described"]

_SHOWN_CLASSES = 30
_ORDER = {"train": 1, "validation": 2, "test": 3}


class Described:
    """Base of ``Dataset`` with its representations, which stay short however many samples there are."""

    name: str
    task: str
    task_reason: str
    classes: tuple[str, ...]
    labels: np.ndarray[Any, Any]
    split: tuple[str, ...]
    skipped: tuple[Skipped, ...]
    table: Any

    def __repr__(self) -> str:
        undecided = "" if len(set(self.split)) == 1 else "undecided"
        counts = sorted(Counter(self.split).items(), key=lambda item: _ORDER.get(item[0], 0))
        splits = ", ".join(f"{count} {name or undecided}".strip() for name, count in counts)
        noun = "images" if self.table is None else "rows"
        more = f" and {len(self.classes) - 5} more" if len(self.classes) > 5 else ""
        return f"Dataset({self.name!r}, {splits or 'no'} {noun}, {self.task}: {listed(self.classes[:5])}{more})"

    def _repr_html_(self) -> str:
        """Return the number of samples of each class and split as HTML, for notebooks."""
        lines = [self.task_reason]
        lines += [f"{len(self.skipped)} found and not used; see skipped"] if self.skipped else []
        splits = sorted(set(self.split), key=lambda name: _ORDER.get(name, 0))
        counts = self._counts()
        rows = [[name, *(counts[k, split] for split in splits)] for k, name in enumerate(self.classes[:_SHOWN_CLASSES])]
        lines += [f"{len(self.classes) - _SHOWN_CLASSES} more classes"] if len(self.classes) > _SHOWN_CLASSES else []
        table = html_table(["class", *(split or "no split" for split in splits)], rows) if self.task != "regression" else ""
        return html_card(repr(self), lines, table)

    def _counts(self) -> Mapping[tuple[int, str], int]:
        """Number of samples with each label in each split."""
        if self.labels.ndim == 1:
            return Counter(zip(self.labels.tolist(), self.split, strict=True))
        rows, columns = np.nonzero(self.labels)
        return Counter((int(k), self.split[i]) for i, k in zip(rows, columns, strict=True))
