"""Write the report of a run folder, finished or not, as one self-contained HTML page."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from headstart.foundation.runs.files import write_bytes
from headstart.foundation.runs.run_folder import RunFolder
from headstart.report.contents import Contents
from headstart.report.page import Markup, page, section
from headstart.report.sections.environment import commands, environment, skipped, splits
from headstart.report.sections.prediction_sets import prediction_sets
from headstart.report.sections.quality import classes, confusion, numbers, roc, values
from headstart.report.sections.samples import most_unlike_samples, most_unsure_samples, most_wrong_samples
from headstart.report.sections.summary import findings, header, stages
from headstart.report.sections.trials import curves, leaderboard

__all__ = ["sections", "write_report"]

SECTIONS = (
    ("time", "Timing", stages),
    ("findings", "Findings", findings),
    ("leaderboard", "Leaderboard", leaderboard),
    ("curves", "Loss curves", curves),
    ("evaluation", "Evaluation", numbers),
    ("roc", "ROC curves", roc),
    ("confusion", "Confusion matrix", confusion),
    ("values", "Predicted and true values", values),
    ("classes", "Metrics by class", classes),
    ("sets", "Prediction sets", prediction_sets),
    ("wrong", "Worst predictions", most_wrong_samples),
    ("unsure", "Most uncertain predictions", most_unsure_samples),
    ("unknown", "Most unlike the training images", most_unlike_samples),
    ("splits", "Splits", splits),
    ("skipped", "Skipped files", skipped),
    ("next", "Predict and export", commands),
    ("environment", "Environment", environment),
)
_TITLES = {
    ("multilabel", "confusion"): "Confusion matrices",
    ("multilabel", "classes"): "Metrics by label",
    ("regression", "classes"): "Metrics by target",
    ("regression", "sets"): "Prediction intervals",
    ("table", "skipped"): "Skipped rows",
}


def sections(contents: Contents) -> list[tuple[str, str, Callable[[Contents], Markup]]]:
    """Name, title and builder of each section that applies to the task of the run."""
    left_out = {"values"}
    if contents.task == "regression":
        left_out = {"roc", "confusion", "unsure"} | (set() if contents.evaluation.get("per_target") else {"classes"})
    if not contents.unknown:
        left_out.add("unknown")
    kind = "table" if contents.is_table else "images"
    return [
        (name, _TITLES.get((contents.task, name)) or _TITLES.get((kind, name)) or title, build)
        for name, title, build in SECTIONS
        if name not in left_out
    ]


def write_report(run_folder: RunFolder) -> Path:
    """Write ``report.html`` and ``plots/*.svg`` of a run, and return the path of the page.

    The page needs no network and contains no script. A file that is missing or malformed is replaced by a note in its
    section, so a run that is still going, or that crashed, has a report too.

    Raises:
        StackError: A file cannot be written (H601).
    """
    contents = Contents.read(run_folder)
    chosen = sections(contents)
    parts = [section(name, title, build, contents) for name, title, build in chosen]
    links = [(name, title) for name, title, _ in chosen]
    path = run_folder.path / "report.html"
    write_bytes(path, page(contents.title, header(contents), links, parts).encode("utf-8", "backslashreplace"))
    return path
