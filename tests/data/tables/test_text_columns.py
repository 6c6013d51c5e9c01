"""Text cells are stored compactly, however long they are together."""

from __future__ import annotations

import numpy as np
import pytest

from headstart.data.tables import text_columns
from headstart.data.tables.text_columns import TextColumns


def test_text_beyond_the_size_of_one_array_is_stored_in_several(monkeypatch: pytest.MonkeyPatch) -> None:
    """Offsets do not wrap; the cells are what they were."""
    monkeypatch.setattr(text_columns, "_MAX_BYTES", 12)
    rows = [[f"größe {i}", str(i)] for i in range(9)] + [["", ""]]
    columns = TextColumns.from_rows(rows)
    assert [column.tolist() for column in columns] == [[row[i] for row in rows] for i in range(2)]
    assert columns.take(np.array([9, 8, 0])).plus([["u", "v"]])[0].tolist() == ["", "größe 8", "größe 0", "u"]
    assert columns.where(1, "7").tolist() == [7]
    assert [*columns.joined([0, 1], "|")][8] == "größe 8|8"


def test_a_cell_beyond_that_size_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """The reader of tables reports it as H107."""
    monkeypatch.setattr(text_columns, "_MAX_BYTES", 12)
    with pytest.raises(ValueError, match="a cell of more than 2 GiB"):
        TextColumns.from_rows([["a"], ["b" * 13]])
