"""Artefacts: a run folder, read and set as one self-contained page that opens from disk, finished run or not."""

from __future__ import annotations

from pathlib import Path

from headstart.report.contents import Contents
from headstart.report.data import commands, environment, skipped, splits
from headstart.report.page import page, section
from headstart.report.pictures import most_unsure_images, most_wrong_images
from headstart.report.quality import classes, confusion, numbers, roc
from headstart.report.summary import findings, header, stages
from headstart.report.trials import curves, leaderboard
from headstart.runfolder import RunFolder, write_bytes

__all__ = ["write_report"]

SECTIONS = (
    ("time", "What it took", stages),
    ("findings", "Findings", findings),
    ("leaderboard", "Leaderboard", leaderboard),
    ("curves", "Loss curves", curves),
    ("evaluation", "Evaluation", numbers),
    ("roc", "ROC", roc),
    ("confusion", "Confusion matrix", confusion),
    ("classes", "Class by class", classes),
    ("wrong", "Most wrong", most_wrong_images),
    ("unsure", "Most unsure", most_unsure_images),
    ("splits", "Splits", splits),
    ("skipped", "Skipped files", skipped),
    ("next", "Predict and export", commands),
    ("environment", "Environment", environment),
)


def write_report(run_folder: RunFolder) -> Path:
    """Write ``plots/*.svg`` and ``report.html`` from what the run folder holds, and return the path of the page.

    The page needs no network and no script. A file that is missing or malformed gives a note in its section, so a run
    that is still going, or that crashed, has a report too.

    Raises:
        StackError: The disk refuses a write (H601).
    """
    contents = Contents.read(run_folder)
    parts = [section(name, title, build, contents) for name, title, build in SECTIONS]
    links = [(name, title) for name, title, _ in SECTIONS]
    path = run_folder.path / "report.html"
    write_bytes(path, page(contents.title, header(contents), links, parts).encode("utf-8", "backslashreplace"))
    return path
