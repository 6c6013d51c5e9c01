"""Artefacts, the report: the verdict in words, what it took, and what the doctor found."""

from __future__ import annotations

from headstart.metrics import wilson_interval
from headstart.report.contents import Contents, mapping, number, text
from headstart.report.page import Markup, escape, guarded, note, paragraph, table
from headstart.report.words import count, decimal, duration, interval, percent, plural

__all__ = ["findings", "header", "stages", "verdict"]

_STATUS = {
    "running": "still running",
    "done": "finished",
    "failed": "failed",
    "interrupted": "interrupted",
    "unknown": "state unknown",
}
_SHADES = 6


def header(contents: Contents) -> Markup:
    """Title, verdict and the few numbers that matter."""
    status = contents.status
    chip = f'<span class="chip {status}">{_STATUS[status]}</span>'
    eyebrow = f'<p class="eyebrow">Headstart report {chip}</p>'
    return Markup(f"<header>{eyebrow}<h1>{escape(contents.title)}</h1>{guarded(_outcome, contents)}</header>")


def _outcome(contents: Contents) -> Markup:
    facts = "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in _facts(contents))
    return Markup(f"{paragraph(verdict(contents), 'lead')}{_scale(contents)}<dl class=facts>{facts}</dl>")


def verdict(contents: Contents) -> str:
    """One sentence: which trial won, how good it is on what, and against what."""
    best = mapping(contents.state.get("best"))
    name = text(best.get("trial"))
    accuracy, n = number(contents.evaluation.get("accuracy")), number(contents.evaluation.get("n"))
    if accuracy is not None and n is not None:
        return _evaluated_verdict(contents, name, accuracy, int(n))
    error = text(
        str(contents.state.get("error") or "").partition("\n")[0]
    )  # the title; the other lines teach, they do not tell
    beginning = {
        "running": "The run is still going",
        "failed": f"The run failed ({error})" if error else "The run failed",
        "interrupted": "The run was interrupted",
        "done": "The run has finished, but its evaluation is not there",
        "unknown": "This run cannot be told in full",
    }[contents.status]
    share, validation = number(best.get("val_accuracy")), contents.num_samples("validation")
    if not name:
        return f"{beginning}; no trial has finished."
    if share is None or not 0 <= share <= 1 or not validation:
        return f"{beginning}; the best trial so far is {name} (validation loss {decimal(number(best.get('val_loss')))})."
    bounds = interval(wilson_interval(round(share * validation), validation))
    return (
        f"{beginning}; the best trial so far is {name}: {percent(share)} accuracy on "
        f"{plural(validation, 'validation image')} (95% interval {bounds}). It was chosen there, so this is optimistic."
    )


def _evaluated_verdict(contents: Contents, name: str, accuracy: float, n: int) -> str:
    evaluation = contents.evaluation
    split = text(evaluation.get("split")) or "evaluated"
    bounds, baseline = evaluation.get("accuracy_interval"), number(evaluation.get("baseline_accuracy"))
    inner = [f"95% interval {interval(bounds)}"] if interval(bounds) else []
    if baseline is not None:
        inner.append(f"always answering {_baseline_answer(contents, baseline)} gives {percent(baseline)}")
    beside = f" ({'; '.join(inner)})" if inner else ""
    sentence = f"{name or 'The model'} reaches {percent(accuracy)} accuracy on {plural(n, f'{split} image')}{beside}."
    if baseline is not None and isinstance(bounds, list) and bounds and (number(bounds[0]) or 0.0) <= baseline:
        sentence += " That is not clearly better than the constant answer."
    if split != "test":
        sentence += f" The {split} split also chose the model, so this is optimistic."
    return sentence


def _baseline_answer(contents: Contents, baseline: float) -> str:
    n = number(contents.evaluation.get("n")) or 1.0
    report = mapping(contents.evaluation.get("report"))
    fitting = [
        name for name, row in report.items() if abs((number(mapping(row).get("support")) or 0.0) / n - baseline) < 1e-9
    ]
    # Two classes of the same size cannot be told apart by their share, so neither is named.
    return f"“{text(fitting[0])}”" if len(fitting) == 1 else "the commonest class"


def _scale(contents: Contents) -> Markup:
    """A line from 0 to 100% with the accuracy, its interval and the baseline on it."""
    evaluation = contents.evaluation
    bounds = evaluation.get("accuracy_interval")
    accuracy, baseline = number(evaluation.get("accuracy")), number(evaluation.get("baseline_accuracy"))
    if accuracy is None or not interval(bounds):
        return Markup("")
    low, high = (min(max(float(bound), 0.0), 1.0) for bound in bounds)  # type: ignore[union-attr]
    tick = "" if baseline is None else f'<i class="tick" style="left:{100 * baseline:.2f}%"></i>'
    band = f'<i class="band" style="left:{100 * low:.2f}%;width:{100 * (high - low):.2f}%"></i>'
    dot = f'<i class="dot" style="left:{100 * accuracy:.2f}%"></i>'
    words = f"accuracy {percent(accuracy)}, 95% interval {interval(bounds)}"
    words += "" if baseline is None else f", constant answer {percent(baseline)}"
    legend = "<span><i class=key-dot></i>accuracy and 95% interval</span><span><i class=key-tick></i>constant answer</span>"
    ends = f'<div class="ends"><span>0</span><span class="keys">{legend}</span><span>100%</span></div>'
    return Markup(f'<div class="scale" role="img" aria-label="{words}"><div>{tick}{band}{dot}</div>{ends}</div>')


def _facts(contents: Contents) -> list[tuple[str, str]]:
    state = contents.state
    best = mapping(state.get("best"))
    samples = [contents.num_samples(split) for split in ("train", "validation", "test")]
    classes = state.get("classes")
    rows = [
        ("Best validation loss", decimal(number(best.get("val_loss")))),
        ("Its execution time", duration(number(best.get("total_seconds")))),
        ("Whole run", duration(number(state.get("wall_seconds")))),
        ("Train, validation, test", " · ".join(count(sample) for sample in samples)),
        ("Classes", count(len(classes)) if isinstance(classes, list) else "–"),
        ("Task", text(state.get("task")) or "–"),
    ]
    return [row for row in rows if row[1] not in ("–", "– · – · –")]


def stages(contents: Contents) -> Markup:
    """Seconds by stage, as a bar and as a table."""
    seconds = {name: number(value) for name, value in mapping(contents.state.get("stages")).items()}
    known = {name: value for name, value in seconds.items() if value is not None and value >= 0}
    if not known:
        return note("No stage has been timed yet.")
    whole = sum(known.values()) or 1.0
    parts, rows = [], []
    for place, (name, value) in enumerate(known.items()):
        shade = f"s{place % _SHADES}"
        parts.append(f'<i class="{shade}" style="width:{100 * value / whole:.2f}%"></i>')
        rows.append((Markup(f'<i class="swatch {shade}"></i>{escape(name)}'), duration(value), percent(value / whole)))
    bar = Markup(f'<div class="bar" aria-hidden="true">{"".join(parts)}</div>')
    wall = number(contents.state.get("wall_seconds"))
    budget = number(contents.state.get("budget_seconds"))
    words = "" if wall is None else f"Start to end, with imports, conversion and reporting: {duration(wall)}."
    words += "" if budget is None else f" The budget was {duration(budget)}."
    return Markup(bar + table(("Stage", "Time", "Share"), rows) + (paragraph(words, "small") if words else ""))


def findings(contents: Contents) -> Markup:
    """What the doctor found, one card each, the grave ones first."""
    if "findings.json" in contents.notes:
        return note(_absence(contents))
    if not contents.findings:
        return note("Nothing was found.")
    order = {"error": 0, "warning": 1, "info": 2}
    ranked = sorted(contents.findings, key=lambda finding: order.get(text(finding.get("severity")), 2))
    return Markup(f'<div class="cards">{"".join(_card(finding) for finding in ranked)}</div>')


def _card(finding: dict[str, object]) -> str:
    severity = text(finding.get("severity"))
    kind = severity if severity in ("error", "warning") else "info"
    head = f"<p class=code>{escape(text(finding.get('code')))} · {kind}</p><h3>{escape(text(finding.get('title')))}</h3>"
    lines = [("Measured", "measured"), ("Why it matters", "why"), ("What to do", "advice")]
    body = "".join(f"<dt>{words}</dt><dd>{escape(_spelled(finding[key]))}</dd>" for words, key in lines if finding.get(key))
    return f'<article class="card {kind}">{head}<dl>{body}</dl></article>'


def _spelled(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{text(key)} {text(item)}" for key, item in value.items())
    return text(value)


def _absence(contents: Contents) -> str:
    reason = contents.notes["findings.json"]
    return "The checks have not been made yet." if reason == "missing" else f"findings.json cannot be read: {reason}"
