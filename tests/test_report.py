"""The report: a page made of whatever the run folder holds."""

from __future__ import annotations

import json
import re
import shlex
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from headstart.convert import tensorrt_command
from headstart.metrics import Evaluation, evaluate_predictions
from headstart.report import SECTIONS, write_report
from headstart.runfolder import RunFolder, append_json_line, write_csv, write_json

CLASSES = ("ankle boot", "bag", "coat", "한국어 <script>alert(1)</script>", "dress", "$x$ & co", "shirt", "t-shirt")
TRIALS = ("efficientnet_lite0-grid2-linear", "efficientnet_lite0-linear", "efficientnet_lite0-mlp", "lite1-grid2-mlp")
LEADERBOARD = (
    *("rank", "trial", "status", "part_a", "part_b", "val_loss", "val_accuracy", "part_a_seconds", "part_a_cached"),
    *("part_b_seconds", "total_seconds", "num_params", "ms_per_sample", "file_mb", "on_front", "reason"),
)


def make_image(path: Path, number: int, rng: np.random.Generator) -> None:
    """Write a small picture: a shape whose kind and colour follow the class."""
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


def make_trials(folder: RunFolder, names: tuple[str, ...]) -> None:
    """Write leaderboard.csv with one failed trial more, and the history of each."""
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
    write_csv(folder.path / "leaderboard.csv", LEADERBOARD, rows)


def make_state(folder: RunFolder, **changes: object) -> None:
    """Write run.json of a finished run, with changes."""
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
    """A finished run with everything in it."""
    folder = RunFolder.create(root / "clothing-001", "clothing")
    make_state(folder, classes=list(classes))
    make_trials(folder, TRIALS[:num_trials])
    result = make_evaluation(folder.path, classes, n, split)
    names = [classes[label] for label in result.labels]
    rows = [(f"{k}/{i}.png", name, k) for k in ("train", "validation", "test") for i, name in enumerate(names)]
    write_csv(folder.path / "splits.csv", ["path", "label", "split"], rows)
    left_out = [(f"coat/broken {i}.png", "the image is cut short") for i in range(3)]
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


def test_a_finished_run_has_every_part(finished: tuple[RunFolder, Page]) -> None:
    """All sections are there in order and none has a note about a malformed file; the pictures are files too."""
    folder, page = finished
    assert [attrs["id"] for tag, attrs in page.tags if tag == "section"] == [name for name, _, _ in SECTIONS]
    assert "cannot be" not in page.words
    assert {path.stem for path in (folder.path / "plots").iterdir()} >= {"roc", "confusion", "leaderboard"}
    assert len([tag for tag, _ in page.tags if tag == "svg"]) == 3 + len(TRIALS)


def test_the_verdict_names_model_share_interval_and_baseline(finished: tuple[RunFolder, Page]) -> None:
    """The first sentence says which trial, how good, on how many images, and what a constant answer gives."""
    folder, page = finished
    value = json.loads((folder.path / "evaluation.json").read_text())
    low, high = (f"{100 * bound:.1f}" for bound in value["accuracy_interval"])
    assert f"{TRIALS[0]} reaches {100 * value['accuracy']:.1f}% accuracy on 80 test images" in page.words
    assert f"95% interval {low} to {high}%; always answering " in page.words
    assert f" gives {100 * value['baseline_accuracy']:.1f}%" in page.words


def test_the_page_stands_alone(finished: tuple[RunFolder, Page]) -> None:
    """No script, no address to fetch, no event handler; the policy forbids them as well."""
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


def test_hostile_names_are_text(finished: tuple[RunFolder, Page]) -> None:
    """Markup in names of classes, trials, files and findings is shown, not obeyed."""
    _, page = finished
    for name in (CLASSES[3], "clothing <small>", "one_vs_rest-<i>x</i>", "the <budget> was over", "<warning>"):
        assert name in page.words
    assert "alert(1)" not in "".join(value or "" for _, attrs in page.tags for key, value in attrs.items() if key != "alt")


def test_images_are_small_and_few(finished: tuple[RunFolder, Page]) -> None:
    """At most 24 thumbnails of at most 160 pixels; a missing image is a tile with its name."""
    _, page = finished
    images = [attrs for tag, attrs in page.tags if tag == "img"]
    blanks = [attrs for tag, attrs in page.tags if attrs.get("class") == "blank"]
    assert images
    assert blanks
    assert len(images) + len(blanks) <= 24
    assert all((attrs["src"] or "").startswith("data:image/jpeg;base64,/9j/") for attrs in images)


def test_a_second_report_is_the_same(finished: tuple[RunFolder, Page]) -> None:
    """The report is a function of the files: written again it has the same bytes."""
    folder, _ = finished
    first = write_report(folder).read_bytes()
    assert write_report(folder).read_bytes() == first


def test_only_the_report_and_its_pictures_are_written(tmp_path: Path) -> None:
    """Nothing else in the run folder changes."""
    folder = make_run(tmp_path, ("cat", "dog"), 20)
    before = {path: path.read_bytes() for path in folder.path.rglob("*") if path.is_file()}
    page = read(folder)
    after = {path: path.read_bytes() for path in folder.path.rglob("*") if path.is_file()}
    assert {path: after.get(path) for path in before} == before
    assert {path.suffix for path in after.keys() - before.keys()} == {".svg", ".html"}
    assert "Threshold" in page.words


def test_an_empty_folder_has_a_report(tmp_path: Path) -> None:
    """A folder without any file gives a page with all its headings and a note in each."""
    page = read(RunFolder(tmp_path))
    assert all(title in page.words for _, title, _ in SECTIONS)
    assert "no trial has finished" in page.words
    assert "cannot be shown" not in page.words


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ("running", "still going"),
        ("failed", "The run failed (TrainingError H301: <too> slow); the best"),
        ("interrupted", "was interrupted"),
        ("?", "cannot be told"),
    ],
)
def test_an_unfinished_run_says_so(tmp_path: Path, status: str, words: str) -> None:
    """Without an evaluation the verdict tells the state and the best trial so far, with n and an interval."""
    folder = RunFolder.create(tmp_path / "run", "x")
    make_state(folder, status=status, error="TrainingError H301: <too> slow\n  received   1 s")
    make_trials(folder, TRIALS[:1])
    page = read(folder)
    assert words in page.words
    assert "83.0% accuracy on 341 validation images (95% interval 78.6 to 86.6%)" in page.words
    assert "There is no evaluation yet." in page.words


def test_a_validation_score_is_called_optimistic(tmp_path: Path) -> None:
    """Numbers of a split that chose the model say so."""
    folder = RunFolder.create(tmp_path / "run", "x")
    make_state(folder)
    make_evaluation(folder.path, ("cat", "dog"), 20, "validation")
    assert "Optimistic: the validation split also chose the model." in read(folder).words


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("evaluation.json", {"accuracy_interval": [10**400, float("nan")]}),
        ("evaluation.json", {"confusion_matrix": [[1, 2], [3]]}),
        ("evaluation.json", {"n": 10**300, "report": {"cat": {"support": 10**300, "recall": 1.0}}}),
        ("run.json", {"num_samples": {"validation": 10**300}, "wall_seconds": float("inf"), "stages": {"scan": -1}}),
    ],
)
def test_absurd_numbers_are_survived(tmp_path: Path, name: str, changes: dict[str, Any]) -> None:
    """Numbers beyond all measure, ragged tables and NaN give notes."""
    folder = make_run(tmp_path, ("cat", "dog"), 6, num_trials=1)
    path = folder.path / name
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    page = read(folder)
    assert sum(tag == "section" for tag, _ in page.tags) == len(SECTIONS)
    assert "clothing" in page.words


def test_a_long_list_of_skipped_files_ends_in_a_count(tmp_path: Path) -> None:
    """The first 200 files are listed, the rest are counted."""
    folder = RunFolder.create(tmp_path / "run", "x")
    make_state(folder)
    write_csv(folder.path / "skipped.csv", ["path", "reason"], [(f"{i}.png", "empty") for i in range(205)])
    page = read(folder)
    assert "199.png" in page.words
    assert "200.png" not in page.words
    assert "5 more files in skipped.csv." in page.words


def test_the_page_says_how_to_ship(finished: tuple[RunFolder, Page]) -> None:
    """The commands for predictions, for every kind of file to ship and for a TensorRT engine stand on the page."""
    folder, page = finished
    for command in ("predict {} photos/", "export {} --to onnx openvino", "export {} --to litert"):
        assert f"headstart {command.format(folder.path)}" in page.words
    assert " \\\n  ".join(tensorrt_command("image", [224, 224, 3])) in page.words
    assert "has not run this command" in page.words


@pytest.mark.parametrize("shape", [None, "x", [], [None], [None, 224, None, 3], [None, 0, 224, 3], [None, True, 224, 3]])
def test_a_signature_without_a_shape_gives_no_tensorrt_command(tmp_path: Path, shape: Any) -> None:
    """Where the size of the input cannot be told the other commands stand alone."""
    folder = make_run(tmp_path, ("cat", "dog"), 6, num_trials=1)
    write_json(folder.path / "signature.json", {"input": {"name": "image", "shape": shape}})
    page = read(folder)
    assert "trtexec" not in page.words
    assert "--to litert" in page.words
    assert "cannot be shown" not in page.words


def test_a_hostile_input_name_cannot_leave_the_command(tmp_path: Path) -> None:
    """Whoever copies the TensorRT command of a foreign run folder runs nothing else."""
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
    """A small run whose files are spoilt one after the other."""
    return make_run(tmp_path_factory.mktemp("small"), ("cat", "dog"), 6, num_trials=1)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(FILES), st.binary(max_size=60) | json_values.map(lambda value: json.dumps(value).encode() + b"\n"))
def test_a_malformed_file_is_a_note(small: RunFolder, name: str, content: bytes) -> None:
    """Whatever one file holds, the page is written and has all its sections."""
    path = small.path / name
    before = path.read_bytes()
    path.write_bytes(content)
    try:
        page = read(small)
    finally:
        path.write_bytes(before)
    assert sum(tag == "section" for tag, _ in page.tags) == len(SECTIONS)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(("run.json", "evaluation.json", "signature.json")), st.data(), json_values)
def test_a_field_of_another_type_is_a_note(small: RunFolder, name: str, data: st.DataObject, value: Any) -> None:
    """Any field may hold any JSON value."""
    path = small.path / name
    before = path.read_bytes()
    fields = json.loads(before)
    fields[data.draw(st.sampled_from(sorted(fields)))] = value
    path.write_text(json.dumps(fields))
    try:
        page = read(small)
    finally:
        path.write_bytes(before)
    assert sum(tag == "section" for tag, _ in page.tags) == len(SECTIONS)
    assert not re.search(r"\bnan\b|\binf\b", page.words.split("Environment")[0])
