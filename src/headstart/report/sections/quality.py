"""Sections about the quality of the predictions: metrics, ROC curves, confusion matrices, predicted values, classes."""

from __future__ import annotations

from typing import Any

import numpy as np

from headstart.evaluation.classification import Classification
from headstart.evaluation.intervals import wilson_interval
from headstart.evaluation.multilabel import MultiLabel
from headstart.evaluation.plots.classification import draw_confusion, draw_label_confusions, most_mistaken
from headstart.evaluation.plots.regression import draw_residuals, draw_scatter
from headstart.evaluation.regression import Regression
from headstart.report.contents import Contents, mapping, number, text
from headstart.report.formatting import count, decimal, interval, measured, percent, plural
from headstart.report.page import Markup, escape, figure, folded, note, paragraph, table
from headstart.report.sections.verdict import in_groups

__all__ = ["classes", "confusion", "numbers", "roc", "values"]

_FOLDED_ROWS = 30
_MAX_TARGETS = 6
_LEGEND_ROOM, _LEGEND_LINE = 4.45, 0.18  # height in inches of the ROC figure without its legend, and of a legend line


def _absence(contents: Contents, name: str) -> Markup:
    reason = contents.notes.get(name, "")
    if reason == "missing" or not reason:
        return note("There is no evaluation yet." if name == "evaluation.json" else f"{name} is missing.")
    return note(f"{name} cannot be read: {reason}")


def numbers(contents: Contents) -> Markup:
    """Section "Evaluation": all metrics, and how often this run has evaluated the test split."""
    evaluation = contents.evaluation
    n = number(evaluation.get("n"))
    if n is None:
        return _absence(contents, "evaluation.json")
    metrics = {"multilabel": _label_metrics, "regression": _value_metrics}.get(str(evaluation.get("task")), _class_metrics)
    split = text(evaluation.get("split"))
    groups = f"{in_groups(contents)}; intervals account for the groups" if contents.num_groups else ""
    where = paragraph(f"{plural(int(n), contents.noun)} of the {split or 'evaluated'} split{groups}.")
    looks = number(contents.state.get("test_looks"))
    times = "" if not looks else "once" if looks == 1 else plural(int(looks), "time")
    seen = f"This run has evaluated the test split {times}." if times else ""
    warning = Markup("")
    if split != "test":
        warning = paragraph(f"Optimistic: the model was selected on the {split or 'evaluated'} split.", "callout")
    body = table(("Metric", "Value"), metrics(evaluation))
    return Markup(where + warning + body + (paragraph(seen, "small") if seen else ""))


Metrics = list[tuple[str, object]]


def _class_metrics(evaluation: dict[str, Any]) -> Metrics:
    bounds = interval(evaluation.get("accuracy_interval"))
    rows: Metrics = [
        ("Accuracy, 95% interval", _with_interval(percent(number(evaluation.get("accuracy"))), bounds)),
        ("Majority-class baseline", percent(number(evaluation.get("baseline_accuracy")))),
        ("Balanced accuracy", percent(number(evaluation.get("balanced_accuracy")))),
        ("Cross-entropy, nats", decimal(number(evaluation.get("loss")), 4)),
        *_areas(evaluation),
    ]
    labels = {"precision": "Precision", "recall": "Recall", "f1": "F1", "threshold": "Threshold"}
    return rows + [(words, decimal(number(evaluation[key]), 4)) for key, words in labels.items() if key in evaluation]


def _areas(evaluation: dict[str, Any]) -> Metrics:
    auc, bounds = mapping(evaluation.get("roc_auc")), evaluation.get("macro_auc_interval")
    macro = _with_interval(decimal(number(auc.get("macro")), 4), interval(bounds, decimal))
    names = ("ROC-AUC, micro", "ROC-AUC, macro, 95% interval" if bounds else "ROC-AUC, macro")
    return [(names[0], decimal(number(auc.get("micro")), 4)), (names[1], macro)]


def _label_metrics(evaluation: dict[str, Any]) -> Metrics:
    bounds, f1 = interval(evaluation.get("accuracy_interval")), mapping(evaluation.get("f1"))
    return [
        *reversed(_areas(evaluation)),
        ("All labels correct, 95% interval", _with_interval(percent(number(evaluation.get("accuracy"))), bounds)),
        ("Most common label set (baseline)", percent(number(evaluation.get("baseline_accuracy")))),
        ("Single labels correct", percent(number(evaluation.get("hamming_accuracy")))),
        ("F1, micro", decimal(number(f1.get("micro")), 4)),
        ("F1, macro", decimal(number(f1.get("macro")), 4)),
        ("Cross-entropy per label, nats", decimal(number(evaluation.get("loss")), 4)),
    ]


def _value_metrics(evaluation: dict[str, Any]) -> Metrics:
    bounds = interval(evaluation.get("mae_interval"), measured)
    mape, n = number(evaluation.get("mape")), number(evaluation.get("mape_n"))
    return [
        ("Mean absolute error, 95% interval", _with_interval(measured(number(evaluation.get("mae"))), bounds)),
        ("Mean absolute error of the median baseline", measured(number(evaluation.get("baseline_mae")))),
        ("Root mean squared error", measured(number(evaluation.get("rmse")))),
        ("Mean squared error", measured(number(evaluation.get("mse")))),
        ("Mean squared error of the mean baseline", measured(number(evaluation.get("baseline_mse")))),
        (f"Mean absolute percentage error, over {count(n)} true values other than 0", percent(mape)),
        ("R²", decimal(number(evaluation.get("r2")), 4)),
    ]


def _with_interval(value: str, bounds: str) -> Markup:
    return Markup(f"{escape(value)}<small>{escape(bounds)}</small>") if bounds else escape(value)


def _recall_interval(recall: float | None, support: float) -> str:
    if recall is None or not 0 <= recall <= 1 or support < 1:
        return ""
    return interval(wilson_interval(round(recall * support), int(support)))


def roc(contents: Contents) -> Markup:
    """Section "ROC curves", drawn from the stored probabilities."""
    evaluation = contents.predictions
    if not isinstance(evaluation, Classification | MultiLabel):
        return _absence(contents, "predictions.csv")
    many = len(evaluation.classes) > 12
    lines = 1 if evaluation.task == "binary" or many else (len(evaluation.classes) + 3) // 2
    size = (4.6, _LEGEND_ROOM + _LEGEND_LINE * lines)
    samples = plural(len(evaluation), contents.noun)
    caption = f"Each class against the rest on {samples}, with the areas under the curves."
    if evaluation.task == "binary":
        caption = f"“{evaluation.classes[1]}” against “{evaluation.classes[0]}” on {samples}, with the area under the curve."
    elif evaluation.task == "multilabel":
        caption = f"Each label on {samples}, with the areas under the curves."
    if many:
        kind = "labels" if evaluation.task == "multilabel" else "classes, each against the rest,"
        caption = f"Averages over {len(evaluation.classes)} {kind} on {samples}, with the areas under the curves."
    return figure(contents, "roc", evaluation.plot_roc, size, caption)


def confusion(contents: Contents) -> Markup:
    """Section "Confusion matrix" with the most frequent confusions, or one matrix per label."""
    if contents.evaluation.get("task") == "multilabel":
        return _label_confusions(contents)
    names, matrix = contents.evaluation.get("classes"), contents.evaluation.get("confusion_matrix")
    if not isinstance(names, list) or matrix is None:
        return _absence(contents, "evaluation.json")
    counts = np.array(matrix)
    if counts.shape != (len(names), len(names)) or counts.dtype.kind != "i" or counts.size == 0 or counts.min() < 0:
        return note("evaluation.json contains no confusion matrix of counts for these classes.")
    side = 2.4 + 0.27 * len(names) if len(names) <= 20 else 2.2 + 0.105 * len(names)
    side = max(side, 4.0)
    caption = (
        f"{plural(int(counts.sum()), contents.noun)}; rows are true classes, columns are predicted classes. The deeper the "
        "colour, the larger the share of the row; blue is correct, orange is wrong."
    )
    drawing = figure(contents, "confusion", lambda ax: draw_confusion(ax, counts, names), (side, side), caption)
    return Markup(drawing + _mistaken_pairs(counts, names))


def _label_confusions(contents: Contents) -> Markup:
    given = mapping(contents.evaluation.get("confusion_matrices"))
    matrices = {name: np.array(matrix) for name, matrix in given.items()}
    if not matrices or not all(
        counts.shape == (2, 2) and counts.dtype.kind == "i" and counts.min() >= 0 for counts in matrices.values()
    ):
        return note("evaluation.json does not contain a confusion matrix of counts for each label.")
    num_drawn = len(most_mistaken(matrices))
    columns, rows = min(4, num_drawn), -(-num_drawn // 4)
    chosen = "" if num_drawn == len(matrices) else f"The {num_drawn} labels with the most mistakes. "
    caption = (
        f"{chosen}Rows are true labels, columns are predictions. The deeper the colour, the larger the share of the row; "
        "blue is correct, orange is wrong."
    )
    size = (0.7 + 1.3 * columns, 0.65 + 1.4 * rows)
    return figure(contents, "confusion", lambda ax: draw_label_confusions(ax, matrices), size, caption)


def _mistaken_pairs(counts: np.ndarray[Any, Any], names: list[str]) -> Markup:
    wrong = counts * (1 - np.eye(len(names), dtype=counts.dtype))
    order = np.argsort(-wrong, axis=None, kind="stable")[:10]
    pairs = [divmod(int(place), len(names)) for place in order if wrong.flat[place] > 0]
    if not pairs or len(names) == 2:
        return Markup("")
    rows = [
        (names[i], names[j], count(wrong[i, j]), count(counts[i].sum()), percent(wrong[i, j] / counts[i].sum()))
        for i, j in pairs
    ]
    head = ("True", "Predicted", "Count", "Of", "Share")
    return Markup("<h3>Most frequent confusions</h3>" + table(head, rows, words=2))


def values(contents: Contents) -> Markup:
    """Section "Predicted and true values": scatter plot and residuals of each target, from the stored predictions."""
    evaluation = contents.predictions
    if not isinstance(evaluation, Regression):
        return _absence(contents, "predictions.csv")
    names = evaluation.classes[:_MAX_TARGETS]
    figures = [part for place, name in enumerate(names) for part in _pair(contents, evaluation, name, place)]
    rest = len(evaluation.classes) - len(names)
    more = note(f"{plural(rest, 'more target')} not drawn.") if rest else Markup("")
    return Markup(f'<div class="pair">{"".join(figures)}</div>{more}')


def _pair(contents: Contents, evaluation: Regression, name: str, place: int) -> tuple[Markup, Markup]:
    truth, answers = evaluation.target(name)
    end = "" if len(evaluation.classes) == 1 else f"-{place + 1:02d}"  # a name may not be a valid file name
    samples = plural(len(truth), contents.noun)
    return (
        figure(
            contents,
            f"scatter{end}",
            lambda ax: draw_scatter(ax, truth, answers),
            (4.2, 4.4),
            Markup(f"<strong>{escape(name)}</strong> of {samples}. Correct predictions are on the line."),
        ),
        figure(
            contents,
            f"residuals{end}",
            lambda ax: draw_residuals(ax, truth, answers),
            (4.6, 3.6),
            Markup(f"<strong>{escape(name)}</strong>: predicted minus true value, with a histogram of the differences."),
        ),
    )


def classes(contents: Contents) -> Markup:
    """Section "Metrics by class": precision, recall and F1 of each class or label, or the errors of each target."""
    if contents.evaluation.get("task") == "regression":
        return _targets(contents)
    report = mapping(contents.evaluation.get("report"))
    if not report:
        return _absence(contents, "evaluation.json")
    per_class = mapping(mapping(contents.evaluation.get("roc_auc")).get("per_class"))
    thresholds = mapping(contents.evaluation.get("thresholds"))
    rows = []
    for name, values in report.items():
        row = mapping(values)
        f1 = number(row.get("f1"))
        bar = f'<i class="meter"><i style="width:{100 * min(max(f1 or 0.0, 0.0), 1.0):.1f}%"></i></i>'
        support = number(row.get("support")) or 0.0
        bounds = "" if contents.is_grouped else _recall_interval(number(row.get("recall")), support)
        recall = _with_interval(percent(number(row.get("recall"))), bounds)
        precision, auc = percent(number(row.get("precision"))), decimal(number(per_class.get(name)))
        last = [decimal(number(thresholds.get(name)))] if thresholds else []
        rows.append((name, count(support), recall, precision, Markup(escape(percent(f1)) + bar), auc, *last))
    kinds = ("label", "labels") if contents.evaluation.get("task") == "multilabel" else ("class", "classes")
    of_recall = "Recall" if contents.is_grouped else "Recall, 95% interval"
    head = (kinds[0].capitalize(), f"{contents.noun.capitalize()}s", of_recall, "Precision", "F1", "ROC-AUC")
    body = table((*head, "Threshold") if thresholds else head, rows)
    return folded(plural(len(rows), *kinds), body, is_open=len(rows) <= _FOLDED_ROWS)


def _targets(contents: Contents) -> Markup:
    per_target = mapping(contents.evaluation.get("per_target"))
    if not per_target:
        return _absence(contents, "evaluation.json")
    rows = []
    for name, values in per_target.items():
        row = mapping(values)
        mae = _with_interval(measured(number(row.get("mae"))), interval(row.get("mae_interval"), measured))
        numbers = [measured(number(row.get(key))) for key in ("baseline_mae", "rmse")]
        rows.append((name, mae, *numbers, decimal(number(row.get("r2")))))
    head = ("Target", "Mean absolute error, 95% interval", "Median baseline", "Root mean squared error", "R²")
    return folded(plural(len(rows), "target"), table(head, rows), is_open=len(rows) <= _FOLDED_ROWS)
