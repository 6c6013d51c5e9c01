"""Sections "Leaderboard" and "Loss curves"."""

from __future__ import annotations

import re

from headstart.evaluation.intervals import wilson_interval
from headstart.evaluation.plots.trials import TrialPoint, draw_leaderboard, draw_loss
from headstart.report.contents import Contents, Trial, mapping, text
from headstart.report.formatting import count, decimal, duration, interval, percent, plural
from headstart.report.page import Markup, escape, figure, note, paragraph, table
from headstart.report.sections.verdict import METRICS, spread

__all__ = ["curves", "leaderboard"]

_MAX_CURVES = 24
_COLUMNS = (
    "Trial",
    "Validation loss",
    "Validation {metric}",
    "Part A",
    "Part B",
    "Execution time",
    "Parameters",
    "Per {noun}",
    "File",
)


def leaderboard(contents: Contents) -> Markup:
    """Section "Leaderboard": the table of trials (failed ones last), and a figure of execution time and ``val_loss``."""
    if not contents.trials:
        reason = contents.notes.get("leaderboard.csv", "missing")
        return note("No trial has finished yet." if reason == "missing" else f"leaderboard.csv cannot be read: {reason}")
    best = text(mapping(contents.state.get("best")).get("trial"))
    finished = [trial for trial in contents.trials if trial.numbers["val_loss"] is not None]
    failed = [trial for trial in contents.trials if trial.numbers["val_loss"] is None]
    marks = ["best" if trial.name == best else "" for trial in finished]
    n = contents.num_samples("validation")
    metric = METRICS.get(contents.trials[0].metric, contents.trials[0].metric)
    columns = [column.format(metric=metric, noun=contents.noun) for column in _COLUMNS]
    parts = (
        [table(columns, [_row(trial, None if contents.is_grouped else n) for trial in finished], marks)] if finished else []
    )
    if reason := text(mapping(contents.state.get("choice")).get("reason")):
        parts.append(paragraph(f"Selected: {reason}."))
    parts.append(paragraph(_legend(contents, metric), "small"))
    if failed:
        rows = [(trial.name, trial.parts, trial.status, trial.reason or "no reason was recorded") for trial in failed]
        parts += [Markup("<h3>Trials without a result</h3>"), table(("Trial", "Parts", "Status", "Reason"), rows, words=4)]
    points = [point for trial in finished if (point := _point(trial)) is not None]
    if points:
        caption = "Execution time against validation loss; lower left is better. The line is the Pareto front."
        parts.append(figure(contents, "leaderboard", lambda ax: draw_leaderboard(ax, points), (5.2, 3.5), caption))
    return Markup("".join(parts))


def _row(trial: Trial, n: int | None) -> list[object]:
    values = trial.numbers
    front = ' <b class="front" title="on the Pareto front">◆<span> Pareto front</span></b>' if trial.on_front else ""
    status = "" if trial.status in ("done", "") else f" ({trial.status})"
    name = f"<i>{escape(trial.rank)}</i><strong>{escape(trial.name + status)}</strong>{front}"
    cached = "<small>from cache</small>" if trial.cached else ""
    milliseconds, megabytes = values["ms_per_sample"], values["file_mb"]
    return [
        Markup(f"<div class=trial>{name}<small>{escape(trial.parts)}</small></div>"),
        decimal(values["val_loss"]),
        _metric(trial, n),
        Markup(escape(duration(values["part_a_seconds"])) + cached),
        duration(values["part_b_seconds"]),
        duration(values["total_seconds"]),
        count(values["num_params"]),
        "–" if milliseconds is None else f"{milliseconds:.3g} ms",
        "–" if megabytes is None else f"{megabytes:.1f} MB" if megabytes >= 1 else f"{1000 * megabytes:.1f} kB",
    ]


def _metric(trial: Trial, n: int | None) -> object:
    value = trial.metric_value
    is_share = trial.metric == "accuracy"
    below = [] if trial.folds is None else [f"folds {spread(trial.metric, *trial.folds)}"]
    if is_share and value is not None and n and 0 <= value <= 1:
        below.insert(0, interval(wilson_interval(round(value * n), n)))
    return Markup(
        escape((percent if is_share else decimal)(value)) + "".join(f"<small>{escape(text)}</small>" for text in below)
    )


def _legend(contents: Contents, metric: str) -> Markup:
    n = contents.num_samples("validation")
    samples = "" if n is None else f" on {plural(n, f'validation {contents.noun}')}"
    below = ", with the 95% interval below" if samples and metric == "accuracy" and not contents.is_grouped else ""
    is_of_values = contents.task == "regression"
    of_values = " Loss is the mean squared error of the standardised targets." if is_of_values else ""
    has_folds = any(trial.folds for trial in contents.trials)
    folds = " Folds: mean and standard deviation over the held-out folds of a cross-validation." if has_folds else ""
    return Markup(
        f"<b class=front>◆</b> Pareto-optimal: no other trial is both faster and better. Loss and {escape(metric)}{samples}"
        f"{below}.{of_values}{folds} Execution time = Part A (features, once per {contents.noun}; the time of their "
        "computation, even if they were read from the cache this time) + Part B (training). It does not include imports, "
        "conversion and reporting."
    )


def _point(trial: Trial) -> TrialPoint | None:
    seconds, loss = trial.numbers["total_seconds"], trial.numbers["val_loss"]
    return None if seconds is None or loss is None else TrialPoint(trial.name, seconds, loss, trial.on_front)


def curves(contents: Contents) -> Markup:
    """Section "Loss curves": training and validation loss of each trial, in the order of the leaderboard."""
    ranked = [trial.name for trial in contents.trials if trial.name in contents.histories]
    names = ranked + [name for name in contents.histories if name not in ranked]
    drawn = [name for name in names if contents.histories[name]]
    if not drawn:
        return note("No epoch has finished yet.")
    figures = [_curve(contents, place, name) for place, name in enumerate(drawn[:_MAX_CURVES])]
    rest = len(drawn) - len(figures)
    more = note(f"{plural(rest, 'more trial')} not drawn.") if rest else Markup("")
    bad = [name for name in contents.notes if name.startswith("trials/")]
    unread = note(f"Cannot be read: {', '.join(bad)}.") if bad else Markup("")
    legend = paragraph(
        "The training loss is reported by Keras and includes regularization penalties; the validation loss does not.",
        "small",
    )
    return Markup(f'<div class="pair">{"".join(figures)}</div>{legend}{more}{unread}')


def _curve(contents: Contents, place: int, name: str) -> Markup:
    history = contents.histories[name]
    # Names are untrusted and are reduced to safe characters; the number keeps the file names distinct.
    file = f"loss-{place + 1:02d}-{re.sub(r'[^A-Za-z0-9_-]+', '-', name)[:60]}"
    caption = Markup(f"<strong>{escape(name)}</strong>, {plural(len(history), 'epoch')}")
    return figure(contents, file, lambda ax: draw_loss(ax, history), (4.6, 3.0), caption)
