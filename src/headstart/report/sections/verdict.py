"""The verdict at the head of the page: the main score as a sentence and on a scale, with its baseline."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from headstart.evaluation.evaluation import Headline
from headstart.evaluation.intervals import wilson_interval
from headstart.report.contents import Contents, mapping, number, text, val_metric
from headstart.report.formatting import decimal, interval, measured, percent, plural
from headstart.report.page import Markup, escape

__all__ = ["METRICS", "headline", "in_groups", "scale", "spread", "verdict"]

METRICS = {"accuracy": "accuracy", "macro_auc": "macro AUC", "r2": "R²"}  # names for use in a sentence
_SHOWN: dict[str, Callable[[float | None], str]] = {"accuracy": percent, "macro AUC": decimal, "mae": measured}
_SPELLED = {"mae": "mean absolute error"}


def headline(evaluation: Mapping[str, object]) -> Headline | None:
    """The main score from the content of ``evaluation.json``; None if it is missing."""
    task, auc = evaluation.get("task"), mapping(evaluation.get("roc_auc"))
    name, value, bounds, baseline = {
        "multilabel": ("macro AUC", auc.get("macro"), evaluation.get("macro_auc_interval"), 0.5),
        "regression": ("mae", evaluation.get("mae"), evaluation.get("mae_interval"), evaluation.get("baseline_mae")),
    }.get(
        str(task),
        ("accuracy", evaluation.get("accuracy"), evaluation.get("accuracy_interval"), evaluation.get("baseline_accuracy")),
    )
    known = [number(bound) for bound in bounds] if isinstance(bounds, list) else []
    pair = (known[0], known[1]) if len(known) == 2 else (None, None)
    both = None if pair[0] is None or pair[1] is None else (pair[0], pair[1])
    given = number(value)
    return None if given is None else Headline(name, given, both, number(baseline))


def verdict(contents: Contents) -> str:
    """Verdict on the run: the selected trial, its score on how many samples, and the baseline; or the state of the run."""
    best = mapping(contents.state.get("best"))
    name, n = text(best.get("trial")), number(contents.evaluation.get("n"))
    found = headline(contents.evaluation)
    if found is not None and n is not None:
        return _evaluated(contents, name or "The model", found, int(n))
    # Only the title of the error: its other lines would be too long here.
    error = text(str(contents.state.get("error") or "").partition("\n")[0])
    beginning = {
        "running": "The run is still going",
        "failed": f"The run failed ({error})" if error else "The run failed",
        "interrupted": "The run was interrupted",
        "done": "The run has finished, but its evaluation is missing",
        "unknown": "The status of this run is not known",
    }[contents.status]
    if n is not None and contents.status == "done":
        beginning = "The run has finished, but its score is not defined on the evaluated samples"
    return f"{beginning}; {_best_so_far(contents, name)}"


def _best_so_far(contents: Contents, name: str) -> str:
    best = mapping(contents.state.get("best"))
    (metric, value), n = val_metric(best), contents.num_samples("validation")
    if not name:
        return "no trial has finished."
    if value is None or not n or value > 1 or (value < 0 and metric != "r2"):
        return f"the best trial so far is {name} (validation loss {decimal(number(best.get('val_loss')))})."
    score, beside = f"{METRICS.get(metric, metric)} {decimal(value)}", ""
    if metric == "accuracy":
        score = f"{percent(value)} accuracy"
        bounds = f" (95% interval {interval(wilson_interval(round(value * n), n))})"
        beside = "" if contents.is_grouped else bounds
    where = plural(n, f"validation {contents.noun}")
    return (
        f"the best trial so far is {name}: {score} on {where}{beside}. "
        "It was selected on this split, so the score is optimistic."
    )


def _evaluated(contents: Contents, name: str, found: Headline, n: int) -> str:
    split = text(contents.evaluation.get("split")) or "evaluated"
    show, bounds, baseline = _SHOWN[found.name], found.interval, found.baseline
    samples = plural(n, f"{split} {contents.noun}") + in_groups(contents)
    inner = [f"95% interval {interval(bounds, show)}"] if bounds else []
    inner += [_baseline(contents, found)] if baseline is not None else []
    beside = f" ({'; '.join(inner)})" if inner else ""
    sentence = f"{name} {_achievement(contents, found)} on {samples}{beside}.{_more(contents)}{_folds(contents, name)}"
    if bounds and baseline is not None and (bounds[1] >= baseline if found.name == "mae" else bounds[0] <= baseline):
        sentence += " That is not clearly better than the baseline."
    return sentence + (f" The model was selected on the {split} split, so this is optimistic." if split != "test" else "")


def in_groups(contents: Contents) -> str:
    """Number of groups of the evaluated samples as text to follow their number; empty without groups."""
    return "" if contents.num_groups is None else f" in {plural(contents.num_groups, 'group')}"


def _achievement(contents: Contents, found: Headline) -> str:
    shown = _SHOWN[found.name](found.value)
    if found.name == "mae":
        targets = contents.evaluation.get("targets")
        names = targets if isinstance(targets, list) else []
        of_what = f" in “{text(names[0])}”" if len(names) == 1 else ""
        return f"is off by {shown}{of_what} on average" + (f" over {len(names)} targets" if len(names) > 1 else "")
    return f"reaches {shown} accuracy" if found.name == "accuracy" else f"reaches a macro AUC of {shown}"


def _baseline(contents: Contents, found: Headline) -> str:
    always = _majority_class(contents, found.baseline or 0.0) if found.name == "accuracy" else ""
    shown = "0.5" if found.name == "macro AUC" else _SHOWN[found.name](found.baseline)
    return f"{found.baseline_name}{always}: {shown}"


def _majority_class(contents: Contents, baseline: float) -> str:
    """The majority class as text, for example `` (always “hat”)``; empty if several classes are equally common."""
    n = number(contents.evaluation.get("n")) or 1.0
    report = mapping(contents.evaluation.get("report"))
    fitting = [
        name for name, row in report.items() if abs((number(mapping(row).get("support")) or 0.0) / n - baseline) < 1e-9
    ]
    return f" (always “{text(fitting[0])}”)" if len(fitting) == 1 else ""


def _more(contents: Contents) -> str:
    """A second score in a sentence of its own, for several labels and for values."""
    evaluation = contents.evaluation
    if evaluation.get("task") == "multilabel" and (accuracy := number(evaluation.get("accuracy"))) is not None:
        constant = percent(number(evaluation.get("baseline_accuracy")))
        baseline = f"most common label set (baseline): {constant}"
        return f" All labels are correct for {percent(accuracy)} of the {contents.noun}s ({baseline})."
    if evaluation.get("task") == "regression" and (r2 := number(evaluation.get("r2"))) is not None:
        return f" R² is {decimal(r2)}."
    return ""


def _folds(contents: Contents, name: str) -> str:
    trial = next((trial for trial in contents.trials if trial.name == name and trial.folds), None)
    if trial is None or trial.folds is None:
        return ""
    metric = METRICS.get(trial.metric, trial.metric)
    return f" In cross-validation: {metric} {spread(trial.metric, *trial.folds)} over the folds."


def spread(metric: str, mean: float, deviation: float) -> str:
    """Format a mean and its standard deviation, for accuracy as percentages."""
    show = percent if metric == "accuracy" else decimal
    return f"{show(mean)} ± {show(deviation)}"


def scale(contents: Contents) -> Markup:
    """A scale from 0 with the score, its interval and its baseline; empty without an interval."""
    found = headline(contents.evaluation)
    if found is None or found.value is None or found.interval is None:
        return Markup("")
    show, baseline = _SHOWN[found.name], found.baseline
    end = 1.1 * max(found.value, *found.interval, baseline or 0.0) or 1.0 if found.name == "mae" else 1.0
    low, value, high = (100 * min(max(x / end, 0.0), 1.0) for x in (found.interval[0], found.value, found.interval[1]))
    tick = "" if baseline is None else f'<i class="tick" style="left:{100 * min(max(baseline / end, 0), 1):.2f}%"></i>'
    band = f'<i class="band" style="left:{low:.2f}%;width:{high - low:.2f}%"></i>'
    dot = f'<i class="dot" style="left:{value:.2f}%"></i>'
    name = _SPELLED.get(found.name, found.name)
    words = f"{name} {show(found.value)}, 95% interval {interval(found.interval, show)}"
    words += "" if baseline is None else f", {found.baseline_name} {show(baseline)}"
    legend = f"<span><i class=key-dot></i>{name} and 95% interval</span>"
    legend += f"<span><i class=key-tick></i>{found.baseline_name}</span>"
    last = {"accuracy": "100%", "macro AUC": "1"}.get(found.name, measured(end))
    ends = f'<div class="ends"><span>0</span><span class="keys">{legend}</span><span>{last}</span></div>'
    return Markup(f'<div class="scale" role="img" aria-label="{escape(words)}"><div>{tick}{band}{dot}</div>{ends}</div>')
