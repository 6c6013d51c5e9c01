"""The report: a page from whatever a run folder contains."""

from __future__ import annotations

import html
import json
import re
import shlex
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from headstart.data.target_scaling import fit_scaling
from headstart.evaluation.evaluate import evaluate_predictions
from headstart.evaluation.evaluation import Evaluation
from headstart.evaluation.hard_samples import most_unsure
from headstart.evaluation.multilabel import MultiLabel
from headstart.evaluation.uncertainty.conformal import fit_conformal
from headstart.export.formats import tensorrt_command
from headstart.foundation.runs.files import append_json_line, read_csv, write_csv, write_json
from headstart.foundation.runs.run_folder import RunFolder
from headstart.report.contents import Contents
from headstart.report.document import SECTIONS, sections, write_report
from headstart.report.sections.prediction_sets import prediction_sets

CLASSES = ("ankle boot", "bag", "coat", "한국어 <script>alert(1)</script>", "dress", "$x$ & co", "shirt", "t-shirt")
TRIALS = ("efficientnet_lite0-grid2-linear", "efficientnet_lite0-linear", "efficientnet_lite0-mlp", "lite1-grid2-mlp")
CLASS_SECTIONS = [
    entry for entry in SECTIONS if entry[0] not in ("values", "unknown")
]  # the run has no scores of unknown images
LEADERBOARD = (
    *("rank", "trial", "status", "part_a", "part_b", "val_loss", "val_accuracy", "part_a_seconds", "part_a_cached"),
    *("part_b_seconds", "total_seconds", "num_params", "ms_per_sample", "file_mb", "on_front", "reason"),
)


def make_image(path: Path, number: int, rng: np.random.Generator) -> None:
    """Write a small image of a shape whose kind and colour depend on the class."""
    shade = tuple(int(v) for v in rng.integers(190, 240, 3))
    image = Image.new("RGB", (120, 90), shade)
    draw = ImageDraw.Draw(image)
    box = [int(v) for v in (*rng.integers(10, 30, 2), *rng.integers(60, 85, 2))]
    colour = tuple(int(v) for v in np.random.default_rng(number).integers(30, 200, 3))
    (draw.ellipse if number % 2 else draw.rectangle)(box, fill=colour)
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path)


def make_evaluation(folder: Path, classes: tuple[str, ...], n: int, split: str) -> Evaluation:
    """Write evaluation.json and predictions.csv with their images; every fifth image is missing."""
    rng = np.random.default_rng(7)
    labels = rng.integers(0, len(classes), n)
    scores = rng.normal(size=(n, len(classes)))
    scores[np.arange(n), labels] += 2.6
    probabilities = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    task = "binary" if len(classes) == 2 else "multiclass"
    result = evaluate_predictions(task, classes, labels, probabilities, split=split)
    write_json(folder / "evaluation.json", result.to_json())
    rows = []
    for i, (label, row) in enumerate(zip(labels, probabilities, strict=True)):
        path = folder.parent / "images" / f"{i:04d} <b>&.png"
        if i % 5:
            make_image(path, int(label), rng)
        rows.append([str(path), classes[label], classes[int(result.predicted[i])], *row])
    write_csv(folder / "predictions.csv", ["path", "label", "predicted", *(f"p_{name}" for name in classes)], rows)
    return result


def make_trials(folder: RunFolder, names: tuple[str, ...], metric: str = "accuracy") -> None:
    """Write leaderboard.csv with the trials and one failed trial, and their histories."""
    rows: list[list[Any]] = []
    for i, name in enumerate(names):
        part_a, part_b = (24.0, 3.1, 3.1, 21.5)[i], (1.6, 1.4, 4.0, 9.5)[i]
        loss = (0.52, 0.61, 0.66, 0.55)[i]
        numbers = [loss, 0.83 - 0.03 * i, part_a, i == 1, part_b, part_a + part_b, 41_000 * (i + 1), 1.9, 14.2]
        rows.append([i + 1, name, "done", "efficientnet_lite0", "linear", *numbers, i in (0, 1), ""])
        for epoch in range(1, 16):
            row = {"epoch": epoch, "loss": 2.1 / epoch**0.9, "val_loss": 0.5 + 0.1 * i + 1.6 / epoch, "seconds": 0.1}
            append_json_line(folder.trial(name) / "history.jsonl", row)
    rows.append(
        ["", "one_vs_rest-<i>x</i>", "failed", "efficientnet_lite0", "ovr", *[None] * 9, False, "the <budget> was over"]
    )
    columns = [f"val_{metric}" if column == "val_accuracy" else column for column in LEADERBOARD]
    write_csv(folder.path / "leaderboard.csv", columns, rows)


def make_state(folder: RunFolder, **changes: object) -> None:
    """Write run.json of a finished run, with ``changes`` applied."""
    best = {"trial": TRIALS[0], "val_loss": 0.52, "val_accuracy": 0.83, "total_seconds": 4.6}
    seconds = {"scan": 0.42, "features": 3.1, "train": 6.25, "evaluate": 0.4, "export": 2.9, "report": 1.2}
    state: dict[str, object] = {
        "run": "runs/clothing-001", "data_name": "clothing <small>", "task": "multiclass",
        "task_reason": "8 classes → multiclass", "classes": list(CLASSES), "status": "done", "seed": 42,
        "plan": "quick", "budget_seconds": 120, "best": best, "stages": seconds, "wall_seconds": 21.7, "num_skipped": 3,
        "num_samples": {"train": 3068, "validation": 341, "test": 372}, "made_splits": ["validation"],
        "machine": {"system": "Linux 6.1, x86_64", "processor": "2 cores, AVX2", "memory": "8 GB", "threads": "2"},
        "versions": {"headstart": "0.1.0", "python": "3.11", "keras": "3.15.1", "openvino": "2026.4"},
        "engine": {"name": "openvino", "reason": "fastest of two in a trial of 32 images"}, "test_looks": 1,
    }  # fmt: skip
    folder.write_state(state | changes)


def make_run(
    root: Path, classes: tuple[str, ...] = CLASSES, n: int = 372, split: str = "test", num_trials: int = 4
) -> RunFolder:
    """Make a complete finished run."""
    folder = RunFolder.create(root / "clothing-001", "clothing")
    make_state(folder, classes=list(classes))
    make_trials(folder, TRIALS[:num_trials])
    result = make_evaluation(folder.path, classes, n, split)
    names = [classes[label] for label in result.labels]
    rows = [(f"{k}/{i}.png", name, k) for k in ("train", "validation", "test") for i, name in enumerate(names)]
    write_csv(folder.path / "splits.csv", ["path", "label", "split"], rows)
    left_out = [(f"coat/broken {i}.png", "the image is truncated") for i in range(3)]
    write_csv(folder.path / "skipped.csv", ["path", "reason"], left_out)
    kinds = (("D101", "info"), ("D204", "warning"), ("D301", "error"))
    findings = [
        {
            "code": code, "severity": severity, "title": f"Some images <{severity}> are nearly the same",
            "measured": {"pairs": 12, "images": 3068},
            "why": "A copy in two splits makes the score look better than it is.",
            "advice": "Look at the pairs, and keep them on one side.",
        }
        for code, severity in kinds
    ]  # fmt: skip
    write_json(folder.path / "findings.json", findings)
    given = {"name": "image", "shape": [None, 224, 224, 3], "dtype": "float32", "layout": "NHWC", "channels": "RGB"}
    write_json(folder.path / "signature.json", {"labels": list(classes), "input": given})
    return folder


LABELS = ("beach", "sunset", "fall foliage", "field", "mountain <b>", "urban")
KINDS = ("multiclass", "multilabel", "regression", "several")


def make_answers(kind: str, n: int) -> tuple[Evaluation, list[str], list[list[object]], list[str]]:
    """An evaluation, the columns and rows of predictions.csv without the first column, and the labels of splits.csv."""
    rng = np.random.default_rng(11)
    rows: list[list[object]]
    if kind == "multilabel":
        labels = (rng.random((n, len(LABELS))) < 0.35).astype(int)
        chances = np.clip(0.35 * labels + 0.65 * rng.random(labels.shape), 0, 1).round(6)
        thresholds = (0.45,) * len(LABELS)
        result = evaluate_predictions("multilabel", LABELS, labels, chances, split="test", thresholds=thresholds)
        names = [";".join(name for name, is_on in zip(LABELS, row, strict=True) if is_on) for row in labels]
        told = [";".join(name for name, is_on in zip(LABELS, row, strict=True) if is_on) for row in result.predicted]
        rows = [[name, answer, *row] for name, answer, row in zip(names, told, chances, strict=True)]
        return result, ["label", "predicted", *(f"p_{name}" for name in LABELS)], rows, names
    if kind == "multiclass":
        numbers = rng.integers(0, 3, n)
        scores = rng.random((n, 3)) + 1.1 * np.eye(3)[numbers]
        chances = scores / scores.sum(axis=1, keepdims=True)
        result = evaluate_predictions("multiclass", CLASSES[:3], numbers, chances, split="test")
        names = [CLASSES[number] for number in numbers]
        told = [CLASSES[number] for number in result.predicted]
        rows = [[name, answer, *row] for name, answer, row in zip(names, told, chances, strict=True)]
        return result, ["label", "predicted", *(f"p_{name}" for name in CLASSES[:3])], rows, names
    targets = ("price",) if kind == "regression" else ("price", "area <m>")
    truth = np.abs(rng.normal(size=(n, len(targets))) * 40 + 180) * np.array([1000.0, 1.0])[: len(targets)]
    values = truth * (1 + 0.08 * rng.normal(size=truth.shape))
    result = evaluate_predictions("regression", targets, truth, values, split="test")
    ends = [""] if len(targets) == 1 else [f"_{name}" for name in targets]
    columns = [f"label{end}" for end in ends] + [f"predicted{end}" for end in ends]
    rows = [[*ours, *theirs] for ours, theirs in zip(truth, values, strict=True)]
    return result, columns, rows, [";".join(map(str, row)) for row in truth]


def make_run_of(root: Path, kind: str, *, is_table: bool, n: int = 150) -> RunFolder:
    """Make a complete finished run of another task than image classification."""
    folder = RunFolder.create(root / f"{kind}-001", kind)
    result, columns, rows, labels = make_answers(kind, n)
    metric = {"multilabel": "macro_auc", "regression": "r2"}.get(result.task, "accuracy")
    changes: dict[str, object] = {"data_kind": "table"} if is_table else {}
    best = {"trial": TRIALS[0], "val_loss": 0.52, f"val_{metric}": 0.83, "total_seconds": 4.6}
    make_state(folder, data_name=kind, task=result.task, classes=list(result.classes), best=best, **changes)
    make_trials(folder, TRIALS[:3], metric)
    write_json(folder.path / "evaluation.json", result.to_json())
    paths = [str(i + 1) if is_table else str(root / "images" / f"{i:04d}.png") for i in range(n)]
    for i, path in enumerate(paths[:60] if not is_table else []):
        make_image(Path(path), i % 5, np.random.default_rng(i))
    first = "row" if is_table else "path"
    beside = [[path, *row] for path, row in zip(paths, rows, strict=True)]
    write_csv(folder.path / "predictions.csv", [first, *columns], beside)
    both = [(path, name, split) for split in ("train", "test") for path, name in zip(paths, labels, strict=True)]
    write_csv(folder.path / "splits.csv", [first, "label", "split"], both)
    write_csv(folder.path / "skipped.csv", ["path", "reason"], [("row 7", "no value in the target column")])
    write_json(folder.path / "findings.json", [])
    scaling = fit_scaling(result.labels) if result.task == "regression" else None
    limits = fit_conformal(result.task, result.labels, result.answers, scaling).to_json()
    scales = {} if scaling is None else {"scaling_of_targets": scaling.to_json()}
    write_json(folder.path / "signature.json", {"input": {"name": "x", "shape": [None, 8]}, "conformal": limits, **scales})
    return folder


class Page(HTMLParser):
    """What a browser would see: tags with their attributes, and the text."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words = ""
        self.feed(source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep the tag."""
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        """Keep the text."""
        self.words += data


def read(folder: RunFolder) -> Page:
    """Write the report and read it."""
    return Page(write_report(folder).read_text("utf-8"))


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[RunFolder, Page]:
    """A finished run and its report."""
    folder = make_run(tmp_path_factory.mktemp("run"), n=80)
    return folder, read(folder)


def test_report_of_a_finished_run_has_every_section(finished: tuple[RunFolder, Page]) -> None:
    """All sections are present in order, none has a note about a malformed file, and the figures are files too."""
    folder, page = finished
    assert [attrs["id"] for tag, attrs in page.tags if tag == "section"] == [name for name, _, _ in CLASS_SECTIONS]
    assert "cannot be" not in page.words
    assert {path.stem for path in (folder.path / "plots").iterdir()} >= {"roc", "confusion", "leaderboard"}
    assert len([tag for tag, _ in page.tags if tag == "svg"]) == 3 + len(TRIALS)


def test_verdict_has_score_interval_and_baseline(finished: tuple[RunFolder, Page]) -> None:
    """The first sentence gives the trial, its score, the number of images, the interval and the baseline."""
    folder, page = finished
    value = json.loads((folder.path / "evaluation.json").read_text())
    low, high = (f"{100 * bound:.1f}" for bound in value["accuracy_interval"])
    assert f"{TRIALS[0]} reaches {100 * value['accuracy']:.1f}% accuracy on 80 test images" in page.words
    assert f"95% interval {low} to {high}%; majority-class baseline" in page.words
    assert f": {100 * value['baseline_accuracy']:.1f}%)" in page.words


def test_page_is_self_contained(finished: tuple[RunFolder, Page]) -> None:
    """The page has no script, external address or event handler, and its policy forbids them as well."""
    _, page = finished
    assert not {tag for tag, _ in page.tags} & {"script", "iframe", "object", "embed", "form", "base", "audio", "video"}
    for tag, attrs in page.tags:
        for name, value in attrs.items():
            assert not name.startswith("on")
            if name in ("href", "src", "xlink:href", "srcset", "action"):
                assert (value or "").startswith(("#", "data:")), (tag, name, value)
    policies = [attrs["content"] for tag, attrs in page.tags if attrs.get("http-equiv") == "Content-Security-Policy"]
    assert policies == ["default-src 'none'; style-src 'unsafe-inline'; img-src data:"]
    assert [tag for tag, _ in page.tags].index("meta") < [tag for tag, _ in page.tags].index("style")


def test_page_escapes_hostile_names(finished: tuple[RunFolder, Page]) -> None:
    """Markup in names of classes, trials, files and findings is shown as text."""
    _, page = finished
    for name in (CLASSES[3], "clothing <small>", "one_vs_rest-<i>x</i>", "the <budget> was over", "<warning>"):
        assert name in page.words
    assert "alert(1)" not in "".join(value or "" for _, attrs in page.tags for key, value in attrs.items() if key != "alt")


def test_page_has_few_small_thumbnails(finished: tuple[RunFolder, Page]) -> None:
    """The page has at most 24 thumbnails of at most 160 pixels; a missing image is shown by its name."""
    _, page = finished
    images = [attrs for tag, attrs in page.tags if tag == "img"]
    blanks = [attrs for tag, attrs in page.tags if attrs.get("class") == "blank"]
    assert images
    assert blanks
    assert len(images) + len(blanks) <= 24
    assert all((attrs["src"] or "").startswith("data:image/jpeg;base64,/9j/") for attrs in images)


def test_report_is_reproducible(finished: tuple[RunFolder, Page]) -> None:
    """The report is a function of the files: written again, it has the same bytes."""
    folder, _ = finished
    first = write_report(folder).read_bytes()
    assert write_report(folder).read_bytes() == first


def test_report_writes_only_the_page_and_its_figures(tmp_path: Path) -> None:
    """No other file of the run folder changes."""
    folder = make_run(tmp_path, ("cat", "dog"), 20)
    before = {path: path.read_bytes() for path in folder.path.rglob("*") if path.is_file()}
    page = read(folder)
    after = {path: path.read_bytes() for path in folder.path.rglob("*") if path.is_file()}
    assert {path: after.get(path) for path in before} == before
    assert {path.suffix for path in after.keys() - before.keys()} == {".svg", ".html"}
    assert "Threshold" in page.words


@pytest.fixture(scope="module", params=[(kind, is_table) for kind in KINDS for is_table in (False, True)], ids=str)
def other(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, bool, RunFolder, Page]:
    """A finished run of each task, of images and of a table, and its report."""
    kind, is_table = request.param
    folder = make_run_of(tmp_path_factory.mktemp("other"), kind, is_table=is_table)
    return kind, is_table, folder, read(folder)


def test_report_of_each_task_has_its_sections(other: tuple[str, bool, RunFolder, Page]) -> None:
    """Sections that do not apply are neither on the page nor in its navigation; the others are complete."""
    kind, _, folder, page = other
    found = [attrs["id"] for tag, attrs in page.tags if tag == "section"]
    assert [(attrs["href"] or "")[1:] for tag, attrs in page.tags if tag == "a"] == found
    gone = {"roc", "confusion", "unsure"} if kind in ("regression", "several") else {"values"}
    gone |= {"classes"} if kind == "regression" else set()
    assert found == [name for name, _, _ in SECTIONS if name not in {*gone, "unknown"}]
    assert "cannot be" not in page.words
    assert "is missing" not in page.words
    figures = {"regression": {"scatter", "residuals"}, "several": {"scatter-01", "residuals-02"}}.get(
        kind, {"roc", "confusion"}
    )
    assert {path.stem for path in (folder.path / "plots").iterdir()} >= figures


def test_report_of_a_table_has_rows_and_no_images(other: tuple[str, bool, RunFolder, Page]) -> None:
    """Samples of a table are called rows everywhere, and the commands are those for tables."""
    _, is_table, folder, page = other
    words = page.words.replace("32 images", "")  # what the engine was tried with is a note of the run
    assert ("image" in words) != is_table
    assert ("Row 1" in page.words) == is_table
    assert any(tag == "img" for tag, _ in page.tags) != is_table
    assert (f"headstart predict {folder.name} new_rows.csv --out predictions.csv" in page.words) == is_table
    assert ("--to onnx saved_model" in page.words) == is_table


def test_prediction_sets_are_counted_by_class_and_by_target(other: tuple[str, bool, RunFolder, Page]) -> None:
    """The limits are those of these samples, so that nine tenths of all truths are in the sets."""
    kind, is_table, _, page = other
    noun = "rows" if is_table else "images"
    if kind in ("regression", "several"):
        assert (
            f"Intervals that should contain the true value with a probability of 90%, on 150 {noun} of the test split."
            in page.words
        )
        rows = re.findall(r"(?:price|area <m>)\s*(\d+\.\d)%", page.words[page.words.index("True value in the interval") :])
        assert len(rows) == {"regression": 1, "several": 2}[kind]
        assert all(90 <= float(share) <= 92 for share in rows)
        return
    (share,) = re.findall(rf"with a probability of 90% did so for (\d+\.\d)% of 150 {noun} of the test split", page.words)
    assert 90 <= float(share) <= 92
    names = {"multiclass": ["Class", "True class in the set"], "multilabel": ["Label", "Label in the set"]}[kind]
    assert all(name in page.words for name in names)


def test_prediction_sets_of_a_run_without_limits_are_a_note(finished: tuple[RunFolder, Page]) -> None:
    """Its signature has none, or they are not those of its task."""
    folder, page = finished
    assert "too few held-out samples for a coverage of 90%" in page.words
    contents = Contents.read(folder)
    for wrong in ({"num_samples": 9, "limits": {"90": []}}, {"limits": 3}, {"num_samples": 9, "limits": {"90": ["x"]}}, 7):
        shown = prediction_sets(replace(contents, signature={"conformal": wrong}))
        assert "signature.json holds no limits of sets" in shown


def test_verdict_has_the_main_score_of_the_task(other: tuple[str, bool, RunFolder, Page]) -> None:
    """Each task has its own main score, with the number of samples, the interval and the baseline."""
    kind, is_table, folder, page = other
    value = json.loads((folder.path / "evaluation.json").read_text())
    noun = "rows" if is_table else "images"
    area = value["roc_auc"]["macro"] if "roc_auc" in value else 0.0
    expected = {
        "multiclass": f"% accuracy on 150 test {noun} (95% interval ",
        "multilabel": f"reaches a macro AUC of {area:.3f} on 150 test {noun} (95% interval ",
        "regression": f"is off by {value.get('mae', 0):,.0f} in “price” on average on 150 test {noun} (95% interval ",
        "several": f"is off by {value.get('mae', 0):,.0f} on average over 2 targets on 150 test {noun} (95% interval ",
    }[kind]
    assert expected in page.words
    baseline = {"multiclass": "majority-class baseline", "multilabel": "constant-prediction baseline: 0.5"}
    assert baseline.get(kind, "median baseline: ") in page.words
    metric = {"multiclass": "Validation accuracy", "multilabel": "Validation macro AUC"}.get(kind, "Validation R²")
    assert metric in page.words
    assert "0.830" in page.words or kind == "multiclass"


def test_evaluation_is_recomputed_from_predictions_csv(other: tuple[str, bool, RunFolder, Page]) -> None:
    """The evaluation recomputed from predictions.csv equals the stored one."""
    _, _, folder, _ = other
    contents = Contents.read(folder)
    assert contents.predictions is not None
    again, stored = contents.predictions.to_json(), contents.evaluation
    names = [key for key, value in stored.items() if isinstance(value, float)]
    assert names
    for name in names:
        assert again[name] == pytest.approx(stored[name], rel=1e-6), name


def test_uncertain_labels_are_shown_with_their_threshold(tmp_path: Path) -> None:
    """For each sample, the label closest to its threshold is shown, not the worst predicted one."""
    page = read(make_run_of(tmp_path, "multilabel", is_table=True))
    result, *_ = make_answers("multilabel", 150)
    assert isinstance(result, MultiLabel)
    (first, *_) = most_unsure(result, 1)
    label = int(np.abs(result.answers[first] - 0.45).argmin())
    told = f"{LABELS[label]} {100 * result.answers[first, label]:.1f}%, threshold 45.0%"
    assert "Label closest to its threshold" in page.words
    assert told in page.words


def test_splits_section_counts_samples_by_label(tmp_path: Path) -> None:
    """A sample with two labels counts for both and once in total; regression has no classes to count."""
    page = read(make_run_of(tmp_path, "multilabel", is_table=True))
    assert "6 labels, 300 rows" in page.words
    assert "All150150300" in page.words
    page = read(make_run_of(tmp_path, "several", is_table=True))
    assert "300 rows" in page.words
    assert "All150150300" in page.words


@pytest.mark.parametrize(("kind", "words"), [("multilabel", "macro AUC 0.830"), ("regression", "R² 0.830")])
def test_verdict_of_an_unfinished_run_uses_the_metric_of_its_task(tmp_path: Path, kind: str, words: str) -> None:
    """Without an evaluation, the best trial so far is described by the metric of its task."""
    folder = make_run_of(tmp_path, kind, is_table=True)
    for name in ("evaluation.json", "predictions.csv"):
        (folder.path / name).unlink()
    folder.write_state({**folder.state, "status": "running"})
    assert f"the best trial so far is {TRIALS[0]}: {words} on 341 validation rows. It was selected" in read(folder).words


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        ("multilabel", {"confusion_matrices": {"beach": [[1, 2], [3]]}}),
        ("multilabel", {"confusion_matrices": {"beach": [[1.5, 2], [3, 4]]}}),
        ("multilabel", {"thresholds": {}}),
        ("multilabel", {"roc_auc": {"macro": None}, "macro_auc_interval": None}),
        ("regression", {"targets": ["cost"]}),
        ("regression", {"targets": []}),
        ("regression", {"mae": "x", "mae_interval": [1]}),
        ("regression", {"mae": -1.0, "mae_interval": [float("inf"), 0]}),
        ("regression", {"mae": 0.0, "mae_interval": [0.0, 0.0], "baseline_mae": 0.0}),
        ("several", {"per_target": {"a": 1, "b": {"mae": None, "r2": None}}}),
    ],
)
def test_report_survives_absurd_numbers_of_other_tasks(tmp_path: Path, kind: str, changes: dict[str, Any]) -> None:
    """Values that do not fit the task give notes, and never NaN."""
    folder = make_run_of(tmp_path, kind, is_table=True, n=12)
    path = folder.path / "evaluation.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    page = read(folder)
    assert not re.search(r"\bnan\b|\binf\b", page.words.split("Environment")[0])
    assert "Predict and export" in page.words


def test_report_of_an_empty_folder(tmp_path: Path) -> None:
    """A folder without any file gives a page with all headings and a note in each section."""
    page = read(RunFolder(tmp_path))
    assert all(title in page.words for _, title, _ in CLASS_SECTIONS)
    assert "no trial has finished" in page.words
    assert "cannot be shown" not in page.words


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ("running", "still going"),
        ("failed", "The run failed (TrainingError H301: <too> slow); the best"),
        ("interrupted", "was interrupted"),
        ("?", "The status of this run is not known"),
    ],
)
def test_verdict_of_an_unfinished_run(tmp_path: Path, status: str, words: str) -> None:
    """Without an evaluation, the verdict gives the status and the best trial so far with n and an interval."""
    folder = RunFolder.create(tmp_path / "run", "x")
    make_state(folder, status=status, error="TrainingError H301: <too> slow\n  received   1 s")
    make_trials(folder, TRIALS[:1])
    page = read(folder)
    assert words in page.words
    assert "83.0% accuracy on 341 validation images (95% interval 78.6 to 86.6%)" in page.words
    assert "There is no evaluation yet." in page.words


def test_folds_are_shown_in_table_legend_and_verdict(tmp_path: Path) -> None:
    """Folds are shown in the table, its legend and the verdict; an incomplete pair is not shown."""
    folder = RunFolder.create(tmp_path / "run", "x")
    make_state(folder, status="done")
    make_trials(folder, TRIALS[:2])
    make_evaluation(folder.path, ("cat", "dog"), 20, "test")
    assert "cross-validation" not in read(folder).words
    rows = read_csv(folder.path / "leaderboard.csv")
    columns = [*rows[0], "fold_accuracy", "fold_accuracy_deviation"]
    cells = [[*row.values(), *folds] for row, folds in zip(rows, [[0.812, 0.034], ["", 0.1], ["", ""]], strict=True)]
    write_csv(folder.path / "leaderboard.csv", columns, cells)
    words = read(folder).words
    assert words.count("81.2% ± 3.4%") == 2
    assert "In cross-validation: accuracy 81.2% ± 3.4% over the folds." in words
    assert words.count("Folds: mean and standard deviation") == 1


def test_validation_score_is_called_optimistic(tmp_path: Path) -> None:
    """A score on a split that the model was selected on is marked as optimistic."""
    folder = RunFolder.create(tmp_path / "run", "x")
    make_state(folder)
    make_evaluation(folder.path, ("cat", "dog"), 20, "validation")
    assert "Optimistic: the model was selected on the validation split." in read(folder).words


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("evaluation.json", {"accuracy_interval": [10**400, float("nan")]}),
        ("evaluation.json", {"confusion_matrix": [[1, 2], [3]]}),
        ("evaluation.json", {"n": 10**300, "report": {"cat": {"support": 10**300, "recall": 1.0}}}),
        ("run.json", {"num_samples": {"validation": 10**300}, "wall_seconds": float("inf"), "stages": {"scan": -1}}),
    ],
)
def test_report_survives_absurd_numbers(tmp_path: Path, name: str, changes: dict[str, Any]) -> None:
    """Absurd numbers, ragged tables and NaN give notes."""
    folder = make_run(tmp_path, ("cat", "dog"), 6, num_trials=1)
    path = folder.path / name
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    page = read(folder)
    assert sum(tag == "section" for tag, _ in page.tags) == len(sections(Contents.read(folder)))
    assert "clothing" in page.words


def test_skipped_section_lists_200_files_and_counts_the_rest(tmp_path: Path) -> None:
    """The first 200 files are listed, the rest are counted."""
    folder = RunFolder.create(tmp_path / "run", "x")
    make_state(folder)
    write_csv(folder.path / "skipped.csv", ["path", "reason"], [(f"{i}.png", "empty") for i in range(205)])
    page = read(folder)
    assert "199.png" in page.words
    assert "200.png" not in page.words
    assert "5 more files in skipped.csv." in page.words


def test_commands_section_lists_predict_export_and_tensorrt(finished: tuple[RunFolder, Page]) -> None:
    """The page has the commands for predictions, every kind of export and a TensorRT engine."""
    folder, page = finished
    for command in ("predict {} photos/", "export {} --to onnx openvino", "export {} --to litert"):
        assert f"headstart {command.format(folder.name)}" in page.words
    assert " \\\n  ".join(tensorrt_command("image", [224, 224, 3])) in page.words
    assert "has not run this command" in page.words


@pytest.mark.parametrize("shape", [None, "x", [], [None], [None, 224, None, 3], [None, 0, 224, 3], [None, True, 224, 3]])
def test_commands_section_without_an_input_shape_has_no_tensorrt(tmp_path: Path, shape: Any) -> None:
    """If the input shape is not known, only the other commands are shown."""
    folder = make_run(tmp_path, ("cat", "dog"), 6, num_trials=1)
    write_json(folder.path / "signature.json", {"input": {"name": "image", "shape": shape}})
    page = read(folder)
    assert "trtexec" not in page.words
    assert "--to litert" in page.words
    assert "cannot be shown" not in page.words


def test_tensorrt_command_quotes_a_hostile_input_name(tmp_path: Path) -> None:
    """Copying the TensorRT command of an untrusted run folder runs nothing else."""
    folder = make_run(tmp_path, ("cat", "dog"), 6, num_trials=1)
    write_json(folder.path / "signature.json", {"input": {"name": "x; rm -rf ~ <b>'\n$(id)", "shape": [None, 8, 8, 3]}})
    page = read(folder)
    (command,) = re.findall(r"trtexec .*?:64x8x8x3'", page.words, re.DOTALL)
    name = r"x; rm -rf ~ <b>'\n$(id)"
    assert shlex.split(command.replace("\\\n", "")) == tensorrt_command(name, [8, 8, 3])


FILES = (
    *(
        "run.json",
        "leaderboard.csv",
        "evaluation.json",
        "predictions.csv",
        "splits.csv",
        "skipped.csv",
        "findings.json",
        "signature.json",
    ),
    f"trials/{TRIALS[0]}/history.jsonl",
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.just(10**400) | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A small run whose files are damaged one after the other."""
    return make_run(tmp_path_factory.mktemp("small"), ("cat", "dog"), 6, num_trials=1)


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(FILES), st.binary(max_size=60) | json_values.map(lambda value: json.dumps(value).encode() + b"\n"))
def test_malformed_file_becomes_a_note(small: RunFolder, name: str, content: bytes) -> None:
    """Whatever one file contains, the page is written and has all its sections."""
    path = small.path / name
    before = path.read_bytes()
    path.write_bytes(content)
    try:
        page, num_sections = read(small), len(sections(Contents.read(small)))
    finally:
        path.write_bytes(before)
    assert sum(tag == "section" for tag, _ in page.tags) == num_sections


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(("run.json", "evaluation.json", "signature.json")), st.data(), json_values)
def test_field_of_a_wrong_type_becomes_a_note(small: RunFolder, name: str, data: st.DataObject, value: Any) -> None:
    """Any field may hold any JSON value."""
    path = small.path / name
    before = path.read_bytes()
    fields = json.loads(before)
    fields[data.draw(st.sampled_from(sorted(fields)))] = value
    path.write_text(json.dumps(fields))
    try:
        page, num_sections = read(small), len(sections(Contents.read(small)))
    finally:
        path.write_bytes(before)
    assert sum(tag == "section" for tag, _ in page.tags) == num_sections
    assert not re.search(r"\bnan\b|\binf\b", page.words.split("Environment")[0])


@pytest.fixture(scope="module")
def others(tmp_path_factory: pytest.TempPathFactory) -> dict[str, RunFolder]:
    """Small runs of the other tasks, whose evaluations are damaged one field after the other."""
    root = tmp_path_factory.mktemp("others")
    return {kind: make_run_of(root, kind, is_table=True, n=8) for kind in ("multilabel", "regression", "several")}


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(("multilabel", "regression", "several")), st.data(), json_values)
def test_field_of_other_tasks_may_hold_anything(
    others: dict[str, RunFolder], kind: str, data: st.DataObject, value: Any
) -> None:
    """Whatever replaces a number, a matrix or a threshold, the page is complete and has no NaN."""
    path = others[kind].path / "evaluation.json"
    before = path.read_bytes()
    fields = json.loads(before)
    fields[data.draw(st.sampled_from(sorted(fields)))] = value
    path.write_text(json.dumps(fields))
    try:
        page, num_sections = read(others[kind]), len(sections(Contents.read(others[kind])))
    finally:
        path.write_bytes(before)
    assert sum(tag == "section" for tag, _ in page.tags) == num_sections
    assert not re.search(r"\bnan\b|\binf\b", page.words.split("Environment")[0])


@pytest.mark.parametrize("given", ["folder", "relative", "list", "elsewhere"])
def test_page_contains_no_path_of_the_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    """Samples are named by their path in the data, also in tooltips, and all other paths are shortened."""
    monkeypatch.chdir(tmp_path)
    folder = make_run(tmp_path / "private" / "runs", n=40)
    data = {"relative": Path("private/photos"), "elsewhere": Path("/srv/other/photos")}.get(
        given, tmp_path / "private" / "photos"
    )
    asked = tmp_path / "private" / "list.csv" if given == "list" else data
    request = {"data": str(asked), "folder": str(tmp_path), "plan": str(tmp_path / "plans" / "mine.toml")}
    make_state(folder, request=request, plan=request["plan"], task_reason=f"found in {asked}")
    (tmp_path / "private" / "list.csv").touch()
    rows = read_csv(folder.path / "predictions.csv")
    names = [f"coat/{Path(row['path']).name}" for row in rows]
    for row, name in zip(rows, names, strict=True):
        row["path"] = str(data / name)
    write_csv(folder.path / "predictions.csv", list(rows[0]), [list(row.values()) for row in rows])
    left_out = [(str(data / "coat" / "x.png"), f"[Errno 13] Permission denied: '{tmp_path}/private/photos/coat/x.png'")]
    write_csv(folder.path / "skipped.csv", ["path", "reason"], left_out)
    (folder.path / "findings.json").write_text("{")
    page = write_report(folder).read_text("utf-8")
    assert str(tmp_path) not in page
    assert "/srv/other" not in page
    titles = re.findall(r'<figure class="tile" title="([^"]*)"', page)
    assert titles
    starts = {"relative": "private/photos/coat/", "list": "photos/coat/"}
    shown = {html.unescape(title).removeprefix(starts.get(given, "coat/")) for title in titles}
    assert shown <= {name.removeprefix("coat/") for name in names}
    assert "mine.toml" in page
    assert "coat/x.png" in page
