"""Artefacts, the report: how good the answers are, as numbers, curves and counts."""

from __future__ import annotations

from typing import Any

import numpy as np

from headstart.metrics import wilson_interval
from headstart.plots import draw_confusion, draw_roc
from headstart.report.contents import Contents, mapping, number, text
from headstart.report.page import Markup, escape, figure, folded, note, paragraph, table
from headstart.report.words import count, decimal, interval, percent, plural

__all__ = ["classes", "confusion", "numbers", "roc"]

_FOLDED_ROWS = 30
_LEGEND_ROOM, _LEGEND_LINE = 4.45, 0.18  # inches of the ROC figure without its legend, and of each of its lines


def _absence(contents: Contents, name: str) -> Markup:
    reason = contents.notes.get(name, "")
    if reason == "missing" or not reason:
        return note("There is no evaluation yet." if name == "evaluation.json" else f"{name} is not there.")
    return note(f"{name} cannot be read: {reason}")


def numbers(contents: Contents) -> Markup:
    """Every metric of the evaluated split, and how often the test split has been looked at."""
    evaluation = contents.evaluation
    n = number(evaluation.get("n"))
    if n is None:
        return _absence(contents, "evaluation.json")
    auc = mapping(evaluation.get("roc_auc"))
    bounds = interval(evaluation.get("accuracy_interval"))
    rows: list[tuple[str, object]] = [
        ("Accuracy, 95% interval", _with_interval(percent(number(evaluation.get("accuracy"))), bounds)),
        ("Constant answer", percent(number(evaluation.get("baseline_accuracy")))),
        ("Balanced accuracy", percent(number(evaluation.get("balanced_accuracy")))),
        ("Cross-entropy, nats", decimal(number(evaluation.get("loss")), 4)),
        ("ROC AUC, micro", decimal(number(auc.get("micro")), 4)),
        ("ROC AUC, macro", decimal(number(auc.get("macro")), 4)),
    ]
    labels = {"precision": "Precision", "recall": "Recall", "f1": "F1", "threshold": "Threshold"}
    rows += [(words, decimal(number(evaluation[key]), 4)) for key, words in labels.items() if key in evaluation]
    split = text(evaluation.get("split"))
    where = paragraph(f"{plural(int(n), 'image')} of the {split or 'evaluated'} split.")
    looks = number(contents.state.get("test_looks"))
    times = "" if not looks else "once" if looks == 1 else plural(int(looks), "time")
    seen = f"The test split has been looked at {times} by this run." if times else ""
    warning = Markup("")
    if split != "test":
        warning = paragraph(f"Optimistic: the {split or 'evaluated'} split also chose the model.", "callout")
    return Markup(where + warning + table(("Metric", "Value"), rows) + (paragraph(seen, "small") if seen else ""))


def _with_interval(value: str, bounds: str) -> Markup:
    return Markup(f"{escape(value)}<small>{escape(bounds)}</small>") if bounds else escape(value)


def _recall_interval(recall: float | None, support: float) -> str:
    if recall is None or not 0 <= recall <= 1 or support < 1:
        return ""
    return interval(wilson_interval(round(recall * support), int(support)))


def roc(contents: Contents) -> Markup:
    """The ROC curves, drawn from the stored probabilities."""
    evaluation = contents.predictions
    if evaluation is None:
        return _absence(contents, "predictions.csv")
    many = len(evaluation.classes) > 12
    lines = 1 if evaluation.task == "binary" or many else (len(evaluation.classes) + 3) // 2
    size = (4.6, _LEGEND_ROOM + _LEGEND_LINE * lines)
    images = plural(len(evaluation), "image")
    caption = f"Each class against the rest on {images}; beside each name the area under its curve."
    if evaluation.task == "binary":
        caption = f"“{evaluation.classes[1]}” against “{evaluation.classes[0]}” on {images}, with the area under the curve."
    elif many:
        caption = f"Averages over {len(evaluation.classes)} classes, each against the rest, on {images}, with their areas."
    return figure(contents, "roc", lambda ax: draw_roc(ax, evaluation), size, caption)


def confusion(contents: Contents) -> Markup:
    """The confusion matrix and the pairs that are taken for one another most often."""
    names, matrix = contents.evaluation.get("classes"), contents.evaluation.get("confusion_matrix")
    if not isinstance(names, list) or matrix is None:
        return _absence(contents, "evaluation.json")
    counts = np.array(matrix)
    if counts.shape != (len(names), len(names)) or counts.dtype.kind != "i" or counts.size == 0 or counts.min() < 0:
        return note("evaluation.json holds no confusion matrix of counts for these classes.")
    side = 2.4 + 0.27 * len(names) if len(names) <= 20 else 2.2 + 0.105 * len(names)
    side = max(side, 4.0)
    caption = (
        f"Rows are the truth, columns the answers, {plural(int(counts.sum()), 'image')}. The deeper the colour, the "
        "larger the share of the row; blue is right, orange is wrong."
    )
    drawing = figure(contents, "confusion", lambda ax: draw_confusion(ax, counts, names), (side, side), caption)
    return Markup(drawing + _mistaken_pairs(counts, names))


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
    head = ("Truth", "Answer", "Times", "Of", "Share")
    return Markup("<h3>Most often mistaken</h3>" + table(head, rows, words=2))


def classes(contents: Contents) -> Markup:
    """Precision, recall and F1 of each class."""
    report = mapping(contents.evaluation.get("report"))
    if not report:
        return _absence(contents, "evaluation.json")
    per_class = mapping(mapping(contents.evaluation.get("roc_auc")).get("per_class"))
    rows = []
    for name, values in report.items():
        row = mapping(values)
        f1 = number(row.get("f1"))
        bar = f'<i class="meter"><i style="width:{100 * min(max(f1 or 0.0, 0.0), 1.0):.1f}%"></i></i>'
        support = number(row.get("support")) or 0.0
        recall = _with_interval(percent(number(row.get("recall"))), _recall_interval(number(row.get("recall")), support))
        precision, auc = percent(number(row.get("precision"))), decimal(number(per_class.get(name)))
        rows.append((name, count(support), recall, precision, Markup(escape(percent(f1)) + bar), auc))
    body = table(("Class", "Images", "Recall, 95% interval", "Precision", "F1", "ROC AUC"), rows)
    return folded(plural(len(rows), "class", "classes"), body, is_open=len(rows) <= _FOLDED_ROWS)
