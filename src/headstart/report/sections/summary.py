"""Head of the page, and the sections "Timing" and "Findings"."""

from __future__ import annotations

from headstart.report.contents import Contents, mapping, number, text
from headstart.report.formatting import count, decimal, duration, percent
from headstart.report.page import Markup, escape, guarded, note, paragraph, table
from headstart.report.sections.verdict import scale, verdict

__all__ = ["findings", "header", "stages"]

_STATUS = {
    "running": "still running",
    "done": "finished",
    "failed": "failed",
    "interrupted": "interrupted",
    "unknown": "state unknown",
}
_SHADES = 6


def header(contents: Contents) -> Markup:
    """Head of the page: title, status, verdict and key figures."""
    status = contents.status
    chip = f'<span class="chip {status}">{_STATUS[status]}</span>'
    eyebrow = f'<p class="eyebrow">Headstart report {chip}</p>'
    return Markup(f"<header>{eyebrow}<h1>{escape(contents.title)}</h1>{guarded(_outcome, contents)}</header>")


def _outcome(contents: Contents) -> Markup:
    facts = "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in _facts(contents))
    return Markup(f"{paragraph(verdict(contents), 'lead')}{scale(contents)}<dl class=facts>{facts}</dl>")


def _facts(contents: Contents) -> list[tuple[str, str]]:
    state = contents.state
    best = mapping(state.get("best"))
    samples = [contents.num_samples(split) for split in ("train", "validation", "test")]
    rows = [
        ("Best validation loss", decimal(number(best.get("val_loss")))),
        ("Execution time of that trial", duration(number(best.get("total_seconds")))),
        ("Whole run", duration(number(state.get("wall_seconds")))),
        ("Train, validation, test", " · ".join(count(sample) for sample in samples)),
        _columns(contents),
        ("Task", text(state.get("task")) or "–"),
    ]
    return [row for row in rows if row[1] not in ("–", "– · – · –")]


def _columns(contents: Contents) -> tuple[str, str]:
    names = contents.state.get("classes")
    if contents.task == "regression" and isinstance(names, list) and len(names) == 1:
        return "Target", text(names[0])
    kind = {"multilabel": "Labels", "regression": "Targets"}.get(contents.task, "Classes")
    return kind, count(len(names)) if isinstance(names, list) else "–"


def stages(contents: Contents) -> Markup:
    """Section "Timing": time per stage, as a bar and as a table."""
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
    words = "" if wall is None else f"Whole run, including imports, conversion and reporting: {duration(wall)}."
    words += "" if budget is None else f" The budget was {duration(budget)}."
    return Markup(bar + table(("Stage", "Time", "Share"), rows) + (paragraph(words, "small") if words else ""))


def findings(contents: Contents) -> Markup:
    """Section "Findings": one card per finding, the most severe first."""
    if "findings.json" in contents.notes:
        return note(_absence(contents))
    if not contents.findings:
        return note("There are no findings.")
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
    return "The checks have not run yet." if reason == "missing" else f"findings.json cannot be read: {reason}"
