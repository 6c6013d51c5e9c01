"""Sections about splits, skipped files, the next commands, and the environment of the run."""

from __future__ import annotations

import shlex
from collections import Counter

from headstart.data.dataset import SPLITS
from headstart.export.formats import TENSORRT_NOTE, tensorrt_command
from headstart.report.contents import Contents, mapping, number, text
from headstart.report.formatting import count, duration, plural
from headstart.report.page import Markup, escape, folded, note, paragraph, table

__all__ = ["commands", "environment", "skipped", "splits"]

_FOLDED_ROWS = 30
_MAX_SKIPPED = 200


def splits(contents: Contents) -> Markup:
    """Section "Splits": number of samples per class or label in each split, and who made the splits."""
    if not contents.splits:
        reason = contents.notes.get("splits.csv", "missing")
        return note("The data have not been split yet." if reason == "missing" else f"splits.csv cannot be read: {reason}")
    sizes = Counter(text(row.get("split")) for row in contents.splits)
    tally = Counter((label, text(row.get("split"))) for row in contents.splits for label in _labels(contents, row))
    names = [split for split in SPLITS if split in sizes] + sorted(sizes.keys() - set(SPLITS))
    classes = sorted({label for label, _ in tally})
    rows: list[list[object]] = []
    for label in classes:
        numbers = [tally[label, name] for name in names]
        rows.append([label, *(count(value) for value in numbers), count(sum(numbers))])
    rows.append(["All", *(count(sizes[name]) for name in names), count(len(contents.splits))])
    marks = [""] * len(classes) + ["total"]
    heading = {"multilabel": "Label", "regression": ""}.get(contents.task, "Class")
    body = table((heading, *(name or "not decided" for name in names), "All"), rows, marks)
    title = plural(len(contents.splits), contents.noun)
    if classes:
        kinds = ("label", "labels") if contents.task == "multilabel" else ("class", "classes")
        title = f"{plural(len(classes), *kinds)}, {title}"
    return Markup(paragraph(_makers(contents)) + folded(title, body, is_open=len(classes) <= _FOLDED_ROWS))


def _labels(contents: Contents, row: dict[str, str]) -> list[str]:
    """Classes or labels of a row of ``splits.csv``; none for values."""
    label = text(row.get("label"))
    if contents.task == "multilabel":
        return [name for name in label.split(";") if name]
    return [] if contents.task == "regression" else [label]


def _makers(contents: Contents) -> str:
    made = contents.state.get("made_splits")
    if not isinstance(made, list):
        return "It was not recorded who made the splits."
    names = [text(name) for name in made]
    if not names:
        return "All splits were made by the user."
    return f"Splits made by Headstart: {', '.join(names)}. Any other split was made by the user."


def skipped(contents: Contents) -> Markup:
    """Section "Skipped files": files or rows that were not used, with the reason."""
    noun = "row" if contents.is_table else "file"
    total = number(contents.state.get("num_skipped"))
    if not contents.skipped:
        reason = contents.notes.get("skipped.csv", "")
        if reason not in ("", "missing"):
            return note(f"skipped.csv cannot be read: {reason}")
        return note(f"The list of skipped {noun}s is missing." if total or reason else f"No {noun} was skipped.")
    rows = [
        (contents.places.name(text(row.get("path"))), text(row.get("reason"))) for row in contents.skipped[:_MAX_SKIPPED]
    ]
    rest = len(contents.skipped) - len(rows)
    more = note(f"{plural(rest, f'more {noun}')} in skipped.csv.") if rest else Markup("")
    body = Markup(table((noun.capitalize(), "Reason"), rows, words=2) + more)
    title = f"{plural(len(contents.skipped), noun)} skipped"
    return folded(title, body, is_open=len(contents.skipped) <= _FOLDED_ROWS)


def commands(contents: Contents) -> Markup:
    """Section "Predict and export": the commands to run next."""
    if not contents.state.get("best"):
        return note("There is no model yet.")
    run = shlex.quote(contents.places.local(str(contents.folder.path)))
    lines = _TABLE_COMMANDS if contents.is_table else _IMAGE_COMMANDS
    items = [_command(words, line.format(run=run)) for words, line in lines.items()]
    engine = Markup("") if contents.is_table else _engine(contents)
    return Markup(f'<div class="commands">{"".join(items)}{engine}</div>')


_IMAGE_COMMANDS = {
    "Predict new images": "headstart predict {run} photos/*.jpg --out predictions.csv",
    "Export for servers and other languages: ONNX, and OpenVINO for CPUs": "headstart export {run} --to onnx openvino",
    "Export for phones and small boards: LiteRT, formerly TensorFlow Lite": "headstart export {run} --to litert",
}
_TABLE_COMMANDS = {
    "Predict new rows": "headstart predict {run} new_rows.csv --out predictions.csv",
    "Export for servers and other languages: ONNX, and SavedModel": "headstart export {run} --to onnx saved_model",
}


def _command(words: str, *lines: str) -> Markup:
    code = "\n".join(escape(line) for line in lines)
    return Markup(f"<p>{escape(words)}</p><pre><code>{code}</code></pre>")


def _engine(contents: Contents) -> Markup:
    """Command that builds a TensorRT engine from the ONNX export; empty if the signature lacks the input's shape."""
    given = mapping(contents.signature.get("input"))
    shape = given.get("shape")
    sides = [number(side) for side in shape[1:]] if isinstance(shape, list) else []
    if not sides or not all(side and side >= 1 for side in sides):
        return Markup("")
    arguments = tensorrt_command(text(given.get("name")), [int(side) for side in sides if side])
    first, *others = (shlex.quote(argument) for argument in arguments)  # the signature is untrusted
    *above, last = [first, *(f"  {other}" for other in others)]
    words = "For an NVIDIA GPU: build a TensorRT engine on that machine, in the folder of the ONNX export"
    return Markup(_command(words, *(f"{line} \\" for line in above), last) + paragraph(TENSORRT_NOTE, "small"))


def environment(contents: Contents) -> Markup:
    """Section "Environment": settings, machine and versions, as needed to repeat the run."""
    state = contents.state
    engine = mapping(state.get("engine"))
    budget = number(state.get("budget_seconds"))
    settings = {
        "run": text(state.get("run")),
        "plan": contents.places.name(text(state.get("plan"))),
        "seed": text(state.get("seed")),
        "budget": "none" if budget is None else duration(budget),
        "task": text(state.get("task_reason")) or text(state.get("task")),
        "engine": " – ".join(filter(None, (text(engine.get("name")), text(engine.get("reason"))))),
    }
    groups = {"Settings": settings, "Machine": state.get("machine"), "Versions": state.get("versions")}
    parts = []
    for title, values in groups.items():
        pairs = "".join(
            f"<div><dt>{escape(key)}</dt><dd>{escape(text(value) or '–')}</dd></div>"
            for key, value in mapping(values).items()
        )
        parts.append(f"<div><h3>{title}</h3><dl>{pairs or '<div><dd>not recorded</dd></div>'}</dl></div>")
    return Markup(f'<div class="triple">{"".join(parts)}</div>')
