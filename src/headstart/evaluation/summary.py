"""An evaluation in a few lines of text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["summary_lines"]


def summary_lines(value: Mapping[str, Any], nouns: str) -> list[str]:
    """The numbers of an evaluation, with n and the interval beside them.

    Args:
        value: What ``Evaluation.to_json`` gave.
        nouns: What the samples are called: ``images`` or ``rows``.
    """
    groups = f" in {value['num_groups']} groups" if value.get("num_groups") else ""
    lines = _LINES.get(value["task"], _class_lines)(value, f"on {value['n']} {nouns}{groups}")
    if value.get("num_skipped"):
        lines.append(f"Found and not evaluated: {value['num_skipped']}")
    if value.get("num_seen"):
        seen = f"{value['num_seen']} of {value['n']} {nouns}"
        lines.append(f"{seen} are equal to some that the model was fitted on or chosen by.")
    if value["optimistic"]:
        lines.append(f"The model has seen samples of the {value['split']} split before: this number is optimistic.")
    return lines


def _class_lines(value: Mapping[str, Any], samples: str) -> list[str]:
    low, high = value["accuracy_interval"]
    interval = f"95% interval {low:.1%} to {high:.1%}; always the most common class: {value['baseline_accuracy']:.1%}"
    auc = value["roc_auc"]["macro"]
    area = f", ROC-AUC {auc:.4f} (macro)" if auc is not None else ""
    return [
        f"{value['split']}: accuracy {value['accuracy']:.1%} {samples} ({interval})",
        f"loss {value['loss']:.4f}, balanced accuracy {value['balanced_accuracy']:.1%}{area}",
    ]


def _label_lines(value: Mapping[str, Any], samples: str) -> list[str]:
    auc, bounds = value["roc_auc"]["macro"], value["macro_auc_interval"]
    interval = f"95% interval {bounds[0]:.4f} to {bounds[1]:.4f}; a constant answer: 0.5" if bounds else "no interval"
    low, high = value["accuracy_interval"]
    baseline = f"always the most common set: {value['baseline_accuracy']:.1%}"
    return [
        f"{value['split']}: macro AUC {'not defined' if auc is None else f'{auc:.4f}'} {samples} ({interval})",
        f"all labels right {value['accuracy']:.1%} (95% interval {low:.1%} to {high:.1%}; {baseline})",
        f"loss {value['loss']:.4f}, labels right {value['hamming_accuracy']:.1%}, macro F1 {value['f1']['macro']:.4f}",
    ]


def _value_lines(value: Mapping[str, Any], samples: str) -> list[str]:
    mae, bounds, r2 = value["mae"], value["mae_interval"], value["r2"]
    interval = f"95% interval {_units(bounds[0])} to {_units(bounds[1])}" if bounds else "no interval"
    constant = f"always the median: {_units(value['baseline_mae'])}"
    return [
        f"{value['split']}: mean absolute error {_units(mae)} {samples} ({interval}; {constant})",
        f"R² {'not defined' if r2 is None else f'{r2:.4f}'}, root mean squared error {_units(value['rmse'])}",
    ]


def _units(value: float | None) -> str:
    """A number of whatever size in the units of the target."""
    return "not known" if value is None else f"{value:,.0f}" if 1000 <= abs(value) < 1e12 else f"{value:.4g}"


_LINES = {"multilabel": _label_lines, "regression": _value_lines}
