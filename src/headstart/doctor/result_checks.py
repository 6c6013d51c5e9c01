"""Checks of the results: the model compared with a constant prediction, and the trials with one another."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from headstart.data.dataset import Dataset
from headstart.data.tasks import TASKS
from headstart.doctor.findings import Finding
from headstart.evaluation.comparison import Difference, paired_difference
from headstart.evaluation.evaluation import Evaluation

__all__ = ["check_results"]

_Z95 = 1.96  # half the width of a 95% interval, in standard errors
_MAX_SHOWN = 4


def check_results(
    dataset: Dataset, evaluation: Evaluation, best: str, differences: Mapping[str, Difference]
) -> list[Finding]:
    """Run all checks of the results of a run.

    Args:
        dataset: The samples; the constant prediction is computed from the training split.
        evaluation: Evaluation of the selected model.
        best: Name of the trial with the lowest ``val_loss``.
        differences: For each other trial, the paired difference of its validation losses from those of the best.
    """
    results = (_no_better_than_a_constant(dataset, evaluation), _ties(best, differences))
    return [finding for finding in results if finding is not None]


def _no_better_than_a_constant(dataset: Dataset, evaluation: Evaluation) -> Finding | None:
    """D301 if neither loss nor headline score is clearly better; for rare classes, accuracy alone would say too little."""
    difference = _against_a_constant(dataset, evaluation)
    headline = evaluation.headline
    name, value, interval, baseline = headline
    if difference.mean < -_Z95 * difference.standard_error or _is_clear(evaluation):
        return None
    shown = "not defined" if value is None else f"{value:.4g}"
    bounds = "" if interval is None else f" (95% interval {interval[0]:.4g} to {interval[1]:.4g})"
    groups = "" if evaluation.num_groups is None else f" in {evaluation.num_groups} groups"
    side = "above" if difference.mean > 0 else "below"
    beside = "" if baseline is None else f", {headline.baseline_name} {baseline:.4g}"
    return Finding(
        "D301",
        f"the model is no better than a constant prediction on the {evaluation.split} split",
        "warning",
        f"{name} {shown}{bounds}{beside}, on {len(evaluation)} samples{groups}; "
        f"loss {side} that of a constant prediction by {difference}",
        "The interval of the score includes the score of a constant prediction: the model may have learned nothing that "
        "holds for new samples, or there are too few samples to show it.",
        "Check that the labels are right and can be predicted from the samples. Then add samples, or compare more models "
        "with --plan balanced.",
    )


def _is_clear(evaluation: Evaluation) -> bool:
    """Whether the whole interval of the headline score is better than the baseline."""
    name, _, interval, baseline = evaluation.headline
    if interval is None or baseline is None:
        return False
    return interval[1] < baseline if name == "mae" else interval[0] > baseline


def _against_a_constant(dataset: Dataset, evaluation: Evaluation) -> Difference:
    """Losses of the model minus those of the training split's best constant; values are in standard deviations."""
    task, labels = TASKS[dataset.task], evaluation.labels
    known = dataset.labels[dataset.indices("train")]
    columns = np.eye(dataset.num_classes)[known] if task.has_classes else np.asarray(known, np.float64)
    constant = np.tile(columns.mean(axis=0), (len(labels), 1))
    answers = evaluation.answers
    if dataset.task == "regression":
        deviations = np.where(columns.std(axis=0) > 0, columns.std(axis=0), 1.0)
        labels, answers, constant = labels / deviations, answers / deviations, constant / deviations
    groups = dataset.group_numbers(dataset.indices(evaluation.split))
    return paired_difference(task.losses_of(labels, answers), task.losses_of(labels, constant), groups)


def _ties(best: str, differences: Mapping[str, Difference]) -> Finding | None:
    ties = sorted((name for name in differences if differences[name].is_noise), key=lambda name: differences[name].mean)
    if not ties:
        return None
    shown = "; ".join(f"{name} by {differences[name]}" for name in ties[:_MAX_SHOWN])
    more = f"; and {len(ties) - _MAX_SHOWN} more" if len(ties) > _MAX_SHOWN else ""
    return Finding(
        "D302",
        f"{len(ties)} {'trial differs' if len(ties) == 1 else 'trials differ'} from the best by less than the noise",
        "info",
        f"{best} has the lowest loss, ahead of {shown}{more}",
        "The losses on the same validation samples differ by at most one standard error: another split of the same data "
        "may rank these trials differently.",
        "Nothing if the selected trial is fast enough; otherwise use the fastest of these. More samples, or --folds 5, show "
        "the difference more precisely.",
    )
