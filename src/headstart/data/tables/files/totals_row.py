"""Detection of a row of totals below the rows of a table."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from headstart.data.tables.number_formats import is_amount, is_number, learn_numbers
from headstart.data.tables.text_columns import TextColumns
from headstart.foundation.arrays import Array

__all__ = ["is_totals_row"]

_SUMS = (
    "total totals subtotal sum sums gesamt gesamtsumme insgesamt summe somme totale totales suma totaal итого всего "
    "合計 合计 总计 総計 합계 총계"
)
_MEANS = "average avg mean mittelwert durchschnitt moyenne media promedio 平均 평균"
_MIN_ABOVE = 3  # rows whose sum can hardly be a coincidence
_TOLERANCE = 1e-3  # relative, as totals may be rounded


def is_totals_row(cells: TextColumns, separator: str) -> bool:
    """Whether the last row is called like one of totals, and a number in it is the sum or the mean of the numbers above.

    Args:
        cells: Rows below the header.
        separator: Cell separator of the file.

    Example:
        >>> rows = [["Ulm", "2"], ["Graz", "3"], ["Bern", "5"], ["Total", "10"]]
        >>> is_totals_row(TextColumns.from_rows(rows), ","), is_totals_row(TextColumns.from_rows(rows[1:]), ",")
        (True, False)
    """
    if cells.num_rows <= _MIN_ABOVE:
        return False
    last = cells.row(cells.num_rows - 1)
    words = _words(last)
    are_sums, are_means = (not words.isdisjoint(names.split()) for names in (_SUMS, _MEANS))
    if not are_sums and not are_means:
        return False
    places = [place for place, cell in enumerate(last) if is_number(cell) or is_amount(cell)]
    numbers = [learn_numbers(cells[place], separator=separator).values for place in places]
    if are_means and numbers and all(_is_last(values, np.mean) for values in numbers):
        return True
    return are_sums and any(_is_last(values, np.sum) for values in numbers)


def _words(row: Sequence[str]) -> set[str]:
    """First and last word of each cell, as in ``Grand total:`` and ``Total 2024``."""
    found = [cell.casefold().strip(": ").split() for cell in row]
    return {word for words in found if words for word in (words[0], words[-1])}


def _is_last(values: Array, of: Callable[[Array], float]) -> bool:
    """Whether the last of some numbers is the sum or the mean of those above, which is no coincidence."""
    above = values[:-1][np.isfinite(values[:-1])]
    if len(above) < _MIN_ABOVE or np.count_nonzero(above) < 2 or (of is np.mean and not np.ptp(above)):
        return False
    return bool(np.isclose(values[-1], of(above), rtol=_TOLERANCE, atol=0))
