"""Tables in JSON: a record per line, or one document of records or of columns."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from headstart.data.skipped import Skipped
from headstart.data.tables.files.numpy_files import PARTS
from headstart.foundation.text import listed, printable

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Records", "records_of_json", "records_of_lines"]


class Records(NamedTuple):
    """Contents of a JSON file.

    Attributes:
        frame: The table.
        numbering: Number of each of its rows in the file. Defaults to None: 1 to n.
        skipped: Lines that are not objects. Defaults to none.
        splits: Split of each row, if the lists of the document are splits. Defaults to None: not known.
        notes: Lists that were not read, in a sentence. Defaults to none.
    """

    frame: pd.DataFrame
    numbering: Sequence[int] | None = None
    skipped: Sequence[Skipped] = ()
    splits: Sequence[str] | None = None
    notes: tuple[str, ...] = ()


def records_of_lines(content: bytes) -> Records:
    """Read JSON Lines: an object per line, whose nested objects become columns such as ``size.width``.

    Raises:
        ValueError: No line is an object.
    """
    import pandas as pd

    records: list[dict[str, Any]] = []
    numbering: list[int] = []
    skipped = []
    lines = [line for line in content.decode("utf-8-sig", "replace").split("\n") if line.strip()]
    for number, line in enumerate(lines, 1):
        try:
            record = json.loads(line)
            record = _flat(record) if isinstance(record, dict) else None
        except (ValueError, RecursionError):
            record = None
        if record is not None:
            records.append(record)
            numbering.append(number)
        else:
            skipped.append(Skipped(f"row {number}", "not a JSON object"))
    if not records:
        raise ValueError("no line is a JSON object")
    return Records(pd.DataFrame(records, dtype=object), numbering, skipped)


def records_of_json(content: bytes) -> Records:
    """Read a JSON document: a list of records, columns by name, or what pandas writes; or JSON Lines under its suffix.

    Lists of records called ``train``, ``test`` and the like are splits; of other lists, the longest is read.

    Raises:
        ValueError: It holds no table.
    """
    try:
        document = json.loads(content.decode("utf-8-sig", "replace"))
    except RecursionError as error:
        raise ValueError("JSON that is nested too deeply") from error
    except ValueError:
        return records_of_lines(content)
    try:
        return _of_document(document)
    except RecursionError as error:
        raise ValueError("JSON that is nested too deeply") from error


def _of_document(document: Any) -> Records:
    import pandas as pd

    if _are_records(document):
        return Records(_frame(document))
    if not isinstance(document, dict):
        raise ValueError("JSON without a list of records")
    if _are_lists(document.get("data")) and isinstance(document.get("columns"), list):  # pandas, orient="split"
        return Records(pd.DataFrame(document["data"], columns=_names(document["columns"])))
    lists = {key: value for key, value in document.items() if _are_records(value)}
    parts = {key: found for key, value in document.items() if key.lower() in PARTS and (found := _as_records(value))}
    if len({PARTS[key.lower()] for key in parts}) > 1:
        splits = [PARTS[key.lower()] for key, records in parts.items() for _ in records]
        frame = _frame([record for records in parts.values() for record in records])
        return Records(frame, splits=splits, notes=_about_lists([*parts], [key for key in lists if key not in parts]))
    if lists:  # {"data": [...]}, as services answer
        longest = max(lists, key=lambda key: len(lists[key]))
        return Records(_frame(lists[longest]), notes=_about_lists([longest], [key for key in lists if key != longest]))
    values = list(document.values())
    if _are_columns(document):
        return Records(pd.DataFrame(document))
    if len(values) == 1 and isinstance(values[0], dict) and any(map(_are_records, values[0].values())):
        return _of_document(values[0])  # {"data": {"train": [...], "test": [...]}}
    if _are_records(values):
        is_by_column = all(str(key).isdigit() for value in values for key in value)  # pandas, orient="columns"
        return Records(pd.DataFrame(document) if is_by_column else _frame(values))
    raise ValueError("JSON without a list of records")


def _about_lists(read: list[str], others: list[str]) -> tuple[str, ...]:
    """Sentence about lists of records that are not read."""
    if not others:
        return ()
    first = f"read the list{'s' * (len(read) != 1)} {listed([*map(printable, read)])} of the file"
    return (f"{first}; {listed([*map(printable, others)])} {'is' if len(others) == 1 else 'are'} not read",)


def _as_records(value: Any) -> list[dict[str, Any]]:
    """Records of a list of them, or of equally long lists by column; none if it is something else."""
    if _are_records(value):
        return list(value)
    return [dict(zip(value, row, strict=True)) for row in zip(*value.values(), strict=True)] if _are_columns(value) else []


def _are_columns(value: Any) -> bool:
    """Whether a value holds equally long lists by name, which are not empty."""
    columns = list(value.values()) if isinstance(value, dict) else []
    return _are_lists(columns) and len({*map(len, columns)}) == 1 and bool(columns[0])


def _are_lists(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(row, list) for row in value)


def _names(columns: list[Any]) -> list[str]:
    """Names of columns, each a text, or a list of texts where pandas had several levels.

    Raises:
        ValueError: A name is an object.
    """
    if any(isinstance(name, dict) for name in columns):
        raise ValueError("JSON whose columns have objects for names")
    return ["_".join(map(str, name)) if isinstance(name, list) else str(name) for name in columns]


def _are_records(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(record, dict) for record in value)


def _frame(records: list[dict[str, Any]]) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame([_flat(record) for record in records], dtype=object)  # so that large whole numbers stay exact


def _flat(record: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """A record without nested objects: their values are called ``outer.inner``."""
    flat: dict[str, Any] = {}
    for key, value in record.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value}
    return flat
