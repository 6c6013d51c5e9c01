"""Summarise an evaluation in a few lines of text, for the command line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from headstart.foundation.text import listed, printable

__all__ = ["summary_lines"]


def summary_lines(value: Mapping[str, Any], nouns: str) -> list[str]:
    """Summarise an evaluation: the scores with their intervals and baselines, the number of samples, and caveats.

    Args:
        value: Output of ``Evaluation.to_json``.
        nouns: Plural noun for the samples: ``images`` or ``rows``.
    """
    groups = f" in {value['num_groups']} groups" if value.get("num_groups") else ""
    lines = _LINES.get(value["task"], _class_lines)(value, f"on {value['n']} {nouns}{groups}")
    if value.get("num_skipped"):
        lines.append(f"Skipped, not evaluated: {value['num_skipped']}")
    if value.get("num_seen"):
        seen = f"{value['num_seen']} of {value['n']} {nouns}"
        lines.append(f"{seen} duplicate samples that the model was trained or selected on.")
    if value["optimistic"]:
        lines.append(f"The model was trained or selected on the {value['split']} split, so these scores are optimistic.")
    return lines


def _class_lines(value: Mapping[str, Any], samples: str) -> list[str]:
    low, high = value["accuracy_interval"]
    interval = f"95% interval {low:.1%} to {high:.1%}; majority-class baseline: {value['baseline_accuracy']:.1%}"
    auc = value["roc_auc"]["macro"]
    area = f", ROC-AUC {auc:.4f} (macro)" if auc is not None else ""
    absent = [name for name, scores in value["report"].items() if not scores["support"]]
    return [
        f"{value['split']}: accuracy {value['accuracy']:.1%} {samples} ({interval})",
        f"loss {value['loss']:.4f}, balanced accuracy {value['balanced_accuracy']:.1%}{area}",
        *(
            [f"No samples of {listed([*map(printable, absent)])}, which the scores therefore say nothing about."]
            if absent
            else []
        ),
    ]


def _label_lines(value: Mapping[str, Any], samples: str) -> list[str]:
    auc, bounds = value["roc_auc"]["macro"], value["macro_auc_interval"]
    bounds_text = f"95% interval {bounds[0]:.4f} to {bounds[1]:.4f}" if bounds else ""
    interval = f"{bounds_text}; constant-prediction baseline: 0.5" if bounds else "no interval"
    low, high = value["accuracy_interval"]
    baseline = f"baseline with the most common label set: {value['baseline_accuracy']:.1%}"
    return [
        f"{value['split']}: macro AUC {'not defined' if auc is None else f'{auc:.4f}'} {samples} ({interval})",
        f"all labels correct {value['accuracy']:.1%} (95% interval {low:.1%} to {high:.1%}; {baseline})",
        f"loss {value['loss']:.4f}, labels correct {value['hamming_accuracy']:.1%}, macro F1 {value['f1']['macro']:.4f}",
    ]


def _value_lines(value: Mapping[str, Any], samples: str) -> list[str]:
    mae, bounds, r2 = value["mae"], value["mae_interval"], value["r2"]
    interval = f"95% interval {_units(bounds[0])} to {_units(bounds[1])}" if bounds else "no interval"
    baseline = f"median baseline: {_units(value['baseline_mae'])}"
    return [
        f"{value['split']}: mean absolute error {_units(mae)} {samples} ({interval}; {baseline})",
        f"R² {'not defined' if r2 is None else f'{r2:.4f}'}, root mean squared error {_units(value['rmse'])}",
    ]


def _units(value: float | None) -> str:
    """Format a number in the units of the target, whatever its size."""
    return "not known" if value is None else f"{value:,.0f}" if 1000 <= abs(value) < 1e12 else f"{value:.4g}"


_LINES = {"multilabel": _label_lines, "regression": _value_lines}
