"""The shape of each file of a run, as rows of a table, against which files are checked when they are read.

A run folder may come from anyone. The table lists everything that the package reads from such files, so that a value of the
wrong type raises H502 in every command. Keys that are not listed may hold anything.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import NoneType, UnionType
from typing import Any, NamedTuple, get_args

__all__ = ["LOADABLE", "RESUMABLE", "SHAPES", "By", "Maybe", "Shape", "fault"]

# A shape is a type or a union of types, a set of allowed values, ``[shape]`` for a list of any length, a tuple of shapes for
# a list of that length, a dictionary for an object (a key that ends in ``?`` is optional, ``*`` stands for all keys that are
# not named), a ``Maybe`` or a ``By``.
Shape = Any


class Maybe(NamedTuple):
    """A value of a shape, or null."""

    shape: Shape


class By(NamedTuple):
    """An object whose shape depends on one of its values.

    Attributes:
        key: Key of that value.
        shapes: Shape of the object for each allowed value.
    """

    key: str
    shapes: Mapping[str, Shape]


def fault(value: object, shape: Shape, where: str = "") -> str:
    """Describe the first way in which a value violates a shape; "" if it has the shape.

    Example:
        >>> fault({"n": [1, "2"]}, {"n": [int]}), fault({}, {"n?": int})
        ("n[1] is '2', not a whole number", '')
    """
    if isinstance(shape, By):
        chosen = value.get(shape.key) if isinstance(value, dict) else None
        wrong = fault(value, {shape.key: frozenset(shape.shapes)}, where)
        return wrong or fault(value, shape.shapes[str(chosen)], where)
    if isinstance(shape, Maybe):
        return "" if value is None else fault(value, shape.shape, where)
    if isinstance(shape, dict):
        return _object_fault(value, shape, where)
    if isinstance(shape, list | tuple):
        return _list_fault(value, shape, where)
    if isinstance(shape, frozenset):
        is_one = isinstance(value, str) and value in shape
        return "" if is_one else f"{where or 'it'} is {_called(value)}, not one of {', '.join(sorted(shape))}"
    kinds = get_args(shape) if isinstance(shape, UnionType) else (shape,)
    return "" if any(_is_of(value, kind) for kind in kinds) else f"{where or 'it'} is {_called(value)}, not {_words(kinds)}"


def _list_fault(value: object, shape: list[Shape] | tuple[Shape, ...], where: str) -> str:
    if not isinstance(value, list):
        return f"{where or 'it'} is {_called(value)}, not a list"
    if isinstance(shape, tuple) and len(value) != len(shape):
        return f"{where or 'it'} has {len(value)} items, not {len(shape)}"
    shapes = shape if isinstance(shape, tuple) else shape * len(value)
    pairs = enumerate(zip(value, shapes, strict=True))
    return next(filter(None, (fault(item, each, f"{where}[{i}]") for i, (item, each) in pairs)), "")


def _object_fault(value: object, shape: Mapping[str, Shape], where: str) -> str:
    if not isinstance(value, dict):
        return f"{where or 'it'} is {_called(value)}, not an object"
    for key in shape:
        name = key.removesuffix("?")
        if name in value:
            wrong = fault(value[name], shape[key], f"{where}.{name}" if where else name)
        else:
            wrong = "" if key.endswith("?") or key == "*" else f"{where + '.' if where else ''}{name} is missing"
        if wrong:
            return wrong
    if "*" not in shape:
        return ""
    named = {key.removesuffix("?") for key in shape}
    others = (fault(item, shape["*"], f"{where}[{key!r}]") for key, item in value.items() if key not in named)
    return next(filter(None, others), "")


def _is_of(value: object, kind: type) -> bool:
    if isinstance(value, bool):
        return kind is bool
    if kind is float:
        return isinstance(value, int | float) and abs(value) <= _LARGEST and not math.isnan(value)
    if kind is int:
        return isinstance(value, int) and abs(value) <= _LARGEST_WHOLE
    return isinstance(value, kind)


_LARGEST, _LARGEST_WHOLE = 1.8e308, 2**62
_WORDS = {str: "text", int: "a whole number", float: "a number", bool: "true or false", NoneType: "null"}
_CALLED = {list: "a list", dict: "an object", int: "the number {}", float: "the number {}", bool: "{}", NoneType: "null"}


def _words(kinds: tuple[type, ...]) -> str:
    return " or ".join(_WORDS[kind] for kind in kinds)


def _called(value: object) -> str:
    if isinstance(value, str):
        return "text" if len(value) > 40 else f"{value!r}"
    return _CALLED.get(type(value), type(value).__name__).format(str(value)[:40])


_STATUS = frozenset(("running", "done", "failed", "interrupted"))
_TASKS = ("binary", "multiclass", "multilabel", "regression")
_SPLITS = frozenset(("", "train", "validation", "test"))
_NUMBER = float | None
_PAIR = (float, float)

# A trial. The key ``val_<metric>`` depends on the metric, so ``evaluation.leaderboard`` checks it.
_ROW = {
    "trial": str,
    "status": frozenset(("done", "failed", "interrupted", "skipped")),
    "part_a": str,
    "part_b": str,
    "reason?": str,
    **{f"{name}_seconds?": _NUMBER for name in ("part_a", "part_b", "total")},
    **{f"{name}?": bool for name in ("part_a_cached", "on_front")},
    **{f"{name}?": _NUMBER for name in ("val_loss", "ms_per_sample", "file_mb", "fold_loss", "fold_loss_deviation")},
    "num_params?": int | None,
}
_REQUEST = {
    "data": str,
    "plan": str,
    "trials": [str],
    "validation": float,
    "seed": int,
    "folder": str,
    **dict.fromkeys(("target", "image", "group", "task", "weights"), str | None),
    "budget_seconds": _NUMBER,
    "folds": int | None,
    "epochs": int | None,
    "learning_rate": _NUMBER,
    "batch_size": int | None,
    "plan_digest?": str,
    "duplicates?": str | None,
    "time?": str | None,
    "refit?": bool,
    "unknown?": bool,
    "extends?": str | None,
}
_RENDERING = {"frame": frozenset(("crop", "squeeze")), "integer_range": Maybe(_PAIR), "float_range": Maybe(_PAIR)}
_PICTURES = {"side": int, **_RENDERING, "reasons": [str]}
_STATE = {
    "run": str,
    "data_name": str,
    "status": _STATUS,
    "data_kind": frozenset(("images", "table")),
    "task": str,
    "classes": [str],
    "targets": [str],
    "image": str | None,
    "backend": str,
    "data_digest": str,
    "request": Maybe(_REQUEST),
    "threads": int,
    "trials": [_ROW],
    "left_out": [(str, str)],
    "split_part": str,
    "paid": {"*": bool},
    "order": [str],
    "batch_sizes": {"*": int},
    "views_left_out": {"*": [int]},
    "test_looks": int,
    "looks_before": int,
    "pictures": Maybe(_PICTURES),
}
_SHOWN = {
    "best": Maybe({"trial": str, "val_loss": float, "total_seconds": float}),
    "wall_seconds": float,
    "num_samples": {"*": int},
    "num_skipped": int,
    "made_splits": [str],
    "findings": [{"code": str, "title": str}],
}
RESUMABLE = {"format": int, **_STATE}  # the shape of a run.json from which a run can be resumed

_EVALUATION = {"split": str, "optimistic": bool, "n": int, "loss": _NUMBER, "num_skipped?": int, "num_seen?": int}
_AREAS = {"roc_auc": {"macro": _NUMBER}}
_SHARES = {"accuracy": float, "accuracy_interval": _PAIR, "baseline_accuracy": float, "classes": [str]}
_CLASSES = {**_EVALUATION, **_SHARES, **_AREAS, "balanced_accuracy": float, "report": {"*": {"support": int}}}
_LABELS = {
    **_EVALUATION,
    **_SHARES,
    **_AREAS,
    "hamming_accuracy": float,
    "f1": {"macro": float},
    "macro_auc_interval": Maybe(_PAIR),
}
_VALUES = {
    **_EVALUATION,
    **dict.fromkeys(("mae", "rmse", "r2", "baseline_mae"), _NUMBER),
    "mae_interval": Maybe(_PAIR),
    "targets": [str],
}
_WRITTEN = {"decimal": frozenset((".", ",")), "thousands": str, "whole": bool, "unit": str}
_COLUMN = {"name": str, "fill": float, "flag": bool, "offset": float, "scale": float}
_COLUMNS = By(
    "kind",
    {
        "number": {
            **_COLUMN,
            "transform": frozenset(("none", "log", "quantile")),
            "knots?": [float],
            "values?": [float],
            "range": _PAIR,
            "written": _WRITTEN,
        },
        "date": {
            **_COLUMN,
            "holds": frozenset(("date", "season", "time")),
            "order": str,
            "digits": bool,
            "periods": [float],
        },
        "category": {"name": str, "levels": [str], "two_way": bool, "codes?": [str]},
    },
)
_SIGNATURE = {
    "task": frozenset(_TASKS),
    "labels": [str],
    "input": {"name": str, "shape": [int | None]},
    "output": {"name": str, "shape": [int | None]},
    "unknown?": {"name": str, "shape": [int | None], "threshold": float},
    "threshold?": float,
    "thresholds?": {"*": float},
    "conformal?": {"num_samples": int, "limits": {"*": [float]}},
    "scaling_of_targets?": {"log1p": [bool], **{key: [float] for key in ("mean", "deviation", "offset", "smearing")}},
    "group?": str,
    **{f"{name}?": [str] for name in ("table_columns", "target", "set_aside")},
    "columns?": [{"name": str, "saved_model_argument": str, "dtype": str}],
    "encoding?": {"width": int, "separator": str, "num_dense": int, "columns": [_COLUMNS]},
    "target_formats?": {"*": _WRITTEN},
    **{"size?": int, "crop?": float, "filter?": str},
    **{f"{name}?": shape for name, shape in _RENDERING.items()},
    "digests": {"*": str},
}

# The shape of a signature.json from which the model can be rebuilt.
LOADABLE = {
    "part_a": {
        "backbone": str,
        "weights": str,
        "pooling?": str,
        "stage?": str,
        "side?": int,
        **{f"{name}?": shape for name, shape in _RENDERING.items()},
    },
    "part_b": {"network": str, "options?": {}, "num_samples?": int, "members?": [{"part_a": str, "network": str}]},
}

SHAPES: Mapping[str, Shape] = {
    "run.json": {"format": int, **{f"{key}?": shape for key, shape in (_STATE | _SHOWN).items()}},
    "signature.json": _SIGNATURE,
    "evaluation.json": By(
        "task", {"binary": _CLASSES, "multiclass": _CLASSES, "multilabel": _LABELS, "regression": _VALUES}
    ),
    "findings.json": [{"code": str, "title": str, "measured": str}],
    "history.jsonl": [{"epoch?": int}],
    "splits.csv": [{"split": _SPLITS}],
    "contents.csv": [{"digest": str, "split": _SPLITS}],
    "predictions.csv": [{}],
    "leaderboard.csv": [{}],
}
