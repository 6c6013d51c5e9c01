"""The command line: results on stdout, everything else on stderr, errors of three lines, exit statuses."""

from __future__ import annotations

import csv
import io
import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st

import headstart
from headstart.cli import spread
from headstart.commands import app
from headstart.foundation.runs.run_folder import RunFolder
from headstart.models.predictor import Predictor
from headstart.search.request import Request

COMMANDS = (
    *("fit", "resume", "extend", "demo", "leaderboard", "evaluate", "predict", "label", "export"),
    *("runs", "stack", "cache"),
)
CLASSES = ["circle", "square", "triangle"]
NUM_PHOTOS = 24  # of each class

# What a script may rely on.
FIT_KEYS = {"run", "task", "classes", "status", "best", "trials", "wall_seconds", "num_samples", "num_skipped"}
FIT_KEYS |= {"findings"}
TRIAL_KEYS = {"trial", "status", "part_a", "part_b", "val_loss", "part_a_seconds", "part_a_cached", "part_b_seconds"}
TRIAL_KEYS |= {"total_seconds", "num_params", "ms_per_sample", "file_mb", "on_front"}
TRIAL_KEYS |= {"val_accuracy", "reason"}  # what `best` says too, and why a trial has no numbers
EVALUATION_KEYS = {
    "task",
    "split",
    "optimistic",
    "n",
    "num_groups",
    "num_skipped",
    "num_seen",
    "loss",
    "accuracy",
    "accuracy_interval",
    "balanced_accuracy",
}
EVALUATION_KEYS |= {"baseline_accuracy", "roc_auc", "confusion_matrix", "classes", "report"}

Ended = tuple[int, str, str]
Call = Callable[..., Ended]


def _process(*arguments: object, code: str = "") -> list[str]:
    return [sys.executable, *(["-c", code] if code else ["-m", "headstart"]), *map(str, arguments)]


def _environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(Path(headstart.__file__).parents[1]), "PYTHONIOENCODING": "utf-8"}


def _run(*arguments: object, **options: Any) -> subprocess.CompletedProcess[str]:
    command = _process(*arguments, **options)
    return subprocess.run(command, env=_environment(), capture_output=True, text=True, encoding="utf-8", check=False)


@pytest.fixture(scope="session")
def data(make_photos: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photos of three classes, one file that is not an image, and a hidden file."""
    folder = make_photos(tmp_path_factory.mktemp("cli") / "shapes", per_class=NUM_PHOTOS)
    (folder / "circle" / "broken.jpg").write_bytes(b"no image")
    (folder / "circle" / ".hidden.jpg").write_bytes(b"hidden")
    return folder


@pytest.fixture(scope="session")
def fitted(data: Path, tmp_path_factory: pytest.TempPathFactory) -> subprocess.CompletedProcess[str]:
    """The finished process of ``fit --json`` with one trial."""
    out = tmp_path_factory.mktemp("cli-run") / "run"
    return _run("fit", data, "--trial", "linear", "--out", out, "--json")


@pytest.fixture(scope="session")
def run(fitted: subprocess.CompletedProcess[str]) -> Path:
    """The run folder."""
    return Path(json.loads(fitted.stdout)["run"])


def _three_lines(told: str, code: str) -> dict[str, str]:
    """Return the rows of an error by label; none may be empty."""
    title, *rows = told.splitlines()
    assert f" {code}: " in title
    assert [row[:12].strip() for row in rows] == ["received", "expected", "do this"]
    texts = {row[:12].strip(): row[12:].strip() for row in rows}
    assert all(texts.values()), told
    return texts


def test_version_is_that_of_the_package(call: Call) -> None:
    """``--version`` prints to standard output and exits with 0."""
    assert call("--version") == (0, f"headstart {headstart.__version__}\n", "")


def test_shell_completion_completes_commands_and_options() -> None:
    """Completion works as a shell requests it, with the words typed so far in the environment."""
    for words, expected in (("headstart exp", ["export"]), ("headstart fit --bud", ["--budget"])):
        asked = {"_HEADSTART_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
        done = subprocess.run(_process(), env=_environment() | asked, capture_output=True, text=True, check=False)
        assert done.stdout.split() == expected


def test_completion_is_installed_for_the_command_of_this_name(tmp_path: Path) -> None:
    """``python -m headstart --install-completion bash`` completes ``headstart``."""
    home = _environment() | {"HOME": str(tmp_path)}
    command = _process("--install-completion", "bash")
    done = subprocess.run(command, env=home, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "-F _headstart_completion headstart" in (tmp_path / ".bash_completions" / "headstart.sh").read_text()


@pytest.mark.parametrize("command", [[], ["fit"], ["runs"]], ids=str)
def test_h_is_short_for_help(command: list[str], call: Call) -> None:
    """``-h`` works before and after a command."""
    assert call(*command, "-h") == call(*command, "--help")


@pytest.mark.parametrize(
    ("arguments", "meant"),
    [
        (("fit", "{data}", "--plan", "balancd"), "balanced"),
        (("fit", "{data}", "--trial", "efficientnet_lite3-avg-linear"), "efficientnet_lite2"),
        (("fit", "{table}", "--target", "grwon"), "grown"),
        (("fit", "{table}", "--task", "regresion"), "regression"),
    ],
    ids=lambda value: value if isinstance(value, str) else value[2],
)
def test_a_misspelled_name_is_answered_with_the_one_that_is_like_it(
    arguments: Sequence[str], meant: str, data: Path, make_table: Callable[..., Path], tmp_path: Path, call: Call
) -> None:
    """Whatever is named: plans, backbones, columns, tasks."""
    table = make_table(tmp_path / "table.csv", "binary", rows=40)
    status, out, err = call(*(argument.format(data=data, table=table) for argument in arguments))
    assert (status, out) == (2, "")
    assert f"did you mean {meant}?" in err


@pytest.mark.parametrize("command", [None, *COMMANDS])
def test_help_of_every_command(command: str | None, call: Call) -> None:
    """``--help`` prints to standard output, exits with 0, and shows every option and argument."""
    group = typer.main.get_command(app)
    assert sorted(group.commands) == sorted(COMMANDS)  # type: ignore[attr-defined]
    status, out, err = call(*([command] if command else []), "--help")
    assert (status, err) == (0, "")
    if command is None:
        assert all(name in out for name in COMMANDS)
    else:
        parameters = group.commands[command].params  # type: ignore[attr-defined]
        shown = [p.opts[0] if p.param_type_name == "option" else p.metavar for p in parameters]
        assert all(name in out for name in shown)


def test_help_shows_brackets(call: Call) -> None:
    """Square brackets in a help text are shown as text and not removed as markup."""
    assert "[backbone][-stage][-pooling]" in call("fit", "--help")[1]


def test_no_arguments_shows_the_help(call: Call) -> None:
    """``headstart`` alone shows the help and exits with 0."""
    status, out, err = call()
    assert (status, err) == (0, "")
    assert "leaderboard" in out


MISTAKES = [
    ["nosuch"],
    ["--nosuch"],
    ["fit"],
    ["fit", "shapes", "--nosuch"],
    ["fit", "shapes", "--seed", "one"],
    ["fit", "shapes", "more"],
    ["predict", "run"],
    ["leaderboard"],
    ["export", "run"],
    ["stack", "yes"],
]


@pytest.mark.parametrize("arguments", MISTAKES, ids=" ".join)
def test_invalid_command_line_raises_h004(arguments: list[str], call: Call) -> None:
    """An unknown command or option, or a missing one, gives H004 on stderr, exit status 2, nothing on stdout."""
    status, out, err = call(*arguments)
    assert (status, out) == (2, "")
    texts = _three_lines(err, "H004")
    assert texts["received"] == f"headstart {' '.join(arguments)}"
    status, out, _ = call(*shlex.split(texts["do this"])[1:])
    assert status == 0, "the advice is a command that works"
    assert "Usage" in out


def _told_as_json(out: str) -> dict[str, str]:
    told: dict[str, str] = json.loads(out)
    assert list(told) == ["code", "title", "received", "expected", "advice"]
    assert all(told.values())
    return told


@pytest.mark.parametrize("arguments", MISTAKES, ids=" ".join)
def test_invalid_command_line_is_one_json_object_with_json(arguments: list[str], call: Call) -> None:
    """Mistakes that the option parser finds are told on stdout too; ``--json`` after ``--`` is no option."""
    status, out, _ = call(*arguments, "--json")
    assert (status, _told_as_json(out)["code"]) == (2, "H004")
    assert call("nosuch", "--", "--json")[1] == ""


def test_interruption_is_one_json_object_with_json(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C before there is a model: status 130."""

    def interrupt() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("headstart.foundation.machine.stack", interrupt)
    status, out, err = call("stack", "--json")
    assert (status, _told_as_json(out)["code"]) == (130, "H530")
    _three_lines(err, "H530")


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["fit", "no such folder"], "H106"),
        (["fit", "no such folder", "--plan", "fastest"], "H001"),
        (["fit", "no such folder", "--plan", "missing.toml"], "H001"),
        (["fit", "no such folder", "--trial", "forest"], "H002"),
        (["fit", "no such folder", "--trial", "VGG20-linear"], "H201"),
        (["fit", "no such folder", "--budget", "soon"], "H003"),
        (["fit", "no such folder", "--backend", "mxnet"], "H005"),
        (["fit", "no such folder", "--epochs", "0"], "H032"),
        (["fit", "no such folder", "--learning-rate", "nan"], "H032"),
        (["fit", "no such folder", "--batch-size", "10"], "H032"),
        (["runs", "no such folder"], "H503"),
        (["resume", "no such run"], "H503"),
        (["leaderboard", "no such run"], "H503"),
        (["evaluate", "no such run", "no such folder"], "H503"),
        (["predict", "no such run", "a.jpg"], "H503"),
        (["export", "no such run", "--to", "onnx"], "H503"),
    ],
    ids=lambda value: value if isinstance(value, str) else " ".join(value),
)
def test_user_error_has_three_lines_and_status_2(
    arguments: list[str], code: str, call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wrong path or value prints its code to standard error, exits with 2, and leaves no folder behind."""
    monkeypatch.chdir(tmp_path)
    status, out, err = call(*arguments)
    assert (status, out) == (2, "")
    texts = _three_lines(err, code)
    status, out, _ = call(*arguments, "--json")
    told = _told_as_json(out)
    assert (status, told["code"], told["advice"]) == (2, code, texts["do this"])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("given_", "spread_"),
    [
        ("fit shapes --trial linear mlp --seed 3", "fit shapes --trial linear --trial mlp --seed 3"),
        ("fit --trial linear --trial mlp shapes", "fit --trial linear --trial mlp --trial shapes"),
        ("export run --to onnx keras h5 --json", "export run --to onnx --to keras --to h5 --json"),
        ("predict run a.jpg b.jpg", "predict run a.jpg b.jpg"),
        ("fit shapes --trial", "fit shapes --trial"),
        ("", ""),
    ],
)
def test_spread_repeats_the_option_for_each_value(given_: str, spread_: str) -> None:
    """Every further value gets the name of the option before it, up to the next option."""
    assert spread(given_.split()) == spread_.split()


def test_spread_takes_an_existing_path_as_an_argument(tmp_path: Path) -> None:
    """An existing folder ends the values of an option, unless it is the first value."""
    assert spread(["export", "--to", "onnx", "keras", str(tmp_path)]) == [
        "export", "--to", "onnx", "--to", "keras", str(tmp_path)
    ]  # fmt: skip
    assert spread(["export", "--to", str(tmp_path), "keras"]) == ["export", "--to", str(tmp_path), "--to", "keras"]


WORDS = st.lists(st.sampled_from(["--to", "--trial", "--json", "--out", "onnx", "linear", "-x", "no/such/path"]))


@given(WORDS)
def test_spread_is_idempotent(words: list[str]) -> None:
    """Spreading twice changes nothing, and only names of options are added."""
    result = spread(words)
    assert spread(result) == result
    names = ("--to", "--trial")
    assert [word for word in result if word not in names] == [word for word in words if word not in names]


def test_fit_json_is_one_object(fitted: subprocess.CompletedProcess[str], run: Path) -> None:
    """``fit --json`` prints the promised keys and nothing else; progress is on stderr; found = used + skipped."""
    assert fitted.returncode == 0, fitted.stderr
    value = json.loads(fitted.stdout)  # anything before or after the object would not parse
    assert set(value) == FIT_KEYS
    assert set(value["best"]) == {"trial", "val_loss", "val_accuracy", "total_seconds"}
    assert [set(trial) for trial in value["trials"]] == [TRIAL_KEYS]
    assert (value["status"], value["task"], value["classes"]) == ("done", "multiclass", CLASSES)
    assert value["best"]["trial"] == value["trials"][0]["trial"] == "efficientnet_lite0-grid2-linear"
    (trial,) = value["trials"]
    assert trial["total_seconds"] == pytest.approx(trial["part_a_seconds"] + trial["part_b_seconds"])
    assert set(value["num_samples"]) == {"train", "validation", "test"}
    assert sum(value["num_samples"].values()) == 3 * NUM_PHOTOS
    assert value["num_skipped"] == 2
    assert all(set(finding) == {"code", "title"} for finding in value["findings"])
    assert "val_loss" in fitted.stderr
    assert "Traceback" not in fitted.stderr
    assert (run / "report.html").is_file()


PLAN = """
[[trial]]
trial = "linear"

[[trial]]
name = "short"
gain = 0.5
network = "mlp"
epochs = 2
batch_size = 16
[trial.options]
units = 8
"""


@pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")  # Keras 3.15
@pytest.mark.usefixtures("no_converter")
def test_fit_with_a_plan_file(data: Path, call: Call, tmp_path: Path) -> None:
    """``--plan FILE`` runs the trials of the file with their settings, each in a folder of its name."""
    plan = tmp_path / "mine.toml"
    plan.write_text(PLAN, "utf-8")
    status, out, err = call("fit", data, "--plan", plan, "--out", tmp_path / "run", "--json", "--quiet")
    assert status == 0, err
    value = json.loads(out)
    assert {trial["trial"]: trial["status"] for trial in value["trials"]} == {
        "efficientnet_lite0-grid2-linear": "done",
        "short": "done",
        "ensemble": "done",
    }
    recipe = json.loads((tmp_path / "run" / "trials" / "short" / "recipe.json").read_text("utf-8"))
    assert (recipe["epochs"], recipe["batch_size"], recipe["options"]) == (2, 16, {"units": 8})
    history = (tmp_path / "run" / "trials" / "short" / "history.jsonl").read_text("utf-8")
    assert len(history.splitlines()) == 2


def test_fit_with_an_invalid_plan_file(data: Path, call: Call, tmp_path: Path) -> None:
    """The error names the file, the trial and the key, before any image is read."""
    plan = tmp_path / "mine.toml"
    plan.write_text(PLAN.replace("epochs", "epoch"), "utf-8")
    status, out, err = call("fit", data, "--plan", plan)
    assert (status, out) == (2, "")
    texts = _three_lines(err, "H031")
    assert texts["received"] == f"{plan}, trial 2 (short): epoch"
    assert texts["do this"] == "did you mean epochs?"


@pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")  # Keras 3.15
@pytest.mark.usefixtures("no_converter")
def test_fit_with_settings_for_every_trial(make_table: Callable[..., Path], call: Call, tmp_path: Path) -> None:
    """Networks take them, other trials are trained as always and named; run.json keeps them for a resume."""
    table = make_table(tmp_path / "table.csv", "binary", rows=60)
    trials = ["table-trees", "table-linear", "table-mlp"]
    settings = ["--epochs", "2", "--learning-rate", "0.01", "--batch-size", "16"]
    status, _, err = call("fit", table, "--trial", *trials, *settings, "--folds", "0", "--out", tmp_path / "run")
    assert status == 0, err
    recipes = {name: json.loads((tmp_path / "run" / "trials" / name / "recipe.json").read_text("utf-8")) for name in trials}
    used = {name: [recipe[key] for key in ("epochs", "learning_rate", "batch_size")] for name, recipe in recipes.items()}
    assert used == {"table-trees": [None] * 3, "table-linear": [None] * 3, "table-mlp": [2, 0.01, 16]}
    for name in trials[:2]:
        assert f"{name}: epochs, learning_rate, batch_size not used for " in err
    assert "table-mlp: epochs" not in err
    history = (tmp_path / "run" / "trials" / "table-mlp" / "history.jsonl").read_text("utf-8")
    assert len(history.splitlines()) == 2
    again = Request.from_run(RunFolder(tmp_path / "run"))
    assert again.settings == {"epochs": 2, "learning_rate": 0.01, "batch_size": 16}


def test_runs_lists_whole_runs_and_names_the_others(run: Path, call: Call, tmp_path: Path) -> None:
    """Data, task, best trial and seconds of each run; a folder that is none is listed as such, whatever is in it."""
    runs = tmp_path / "runs"
    shutil.copytree(run, runs / "run-10")
    (runs / "run-9").mkdir()
    (runs / "half").mkdir()
    (runs / "half" / "run.json").write_text('{"format": 3')
    (runs / "old").mkdir()
    (runs / "old" / "run.json").write_text('{"format": 1}')
    (runs / ".hidden").mkdir()
    (runs / "file.txt").write_text("no run")
    status, out, err = call("runs", runs, "--json")
    assert (status, err) == (0, "")
    listed = {Path(entry["run"]).name: entry for entry in json.loads(out)["runs"]}
    assert list(listed) == ["half", "old", "run-9", "run-10"]
    whole = listed["run-10"]
    assert (whole["status"], whole["data_name"], whole["task"], whole["problem"]) == ("done", "shapes", "multiclass", None)
    assert whole["best"]["trial"] == "efficientnet_lite0-grid2-linear"
    assert whole["wall_seconds"] > 0
    problems = {name: entry["problem"] for name, entry in listed.items() if name != "run-10"}
    assert [code for problem in problems.values() for code in ("H502", "H503", "H504") if code in problem] == [
        "H502", "H504", "H503"
    ]  # fmt: skip
    status, out, err = call("runs", runs)
    assert (status, err) == (0, "")
    assert "efficientnet_lite0-grid2-linear, accuracy" in out
    assert all(name in out for name in listed)
    assert call("runs", tmp_path / "runs" / "run-9")[1] == f"No runs in {runs / 'run-9'}.\n"


def _contents(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_resume_of_a_complete_run(run: Path, call: Call) -> None:
    """It reports that there is nothing to resume, shows the run, changes no file and exits with 0."""
    before = _contents(run)
    status, out, err = call("resume", run)
    assert status == 0
    assert "nothing to resume" in err
    assert "efficientnet_lite0-grid2-linear" in out
    status, out, err = call("resume", run, "--json", "--quiet")
    assert (status, err) == (0, "")
    assert set(json.loads(out)) == FIT_KEYS
    assert _contents(run) == before


@pytest.fixture
def killed(run: Path, tmp_path: Path) -> Path:
    """The run folder after a kill before the end of the first trial."""
    folder = tmp_path / "killed"
    shutil.copytree(run, folder)
    for path in folder.iterdir():
        if path.name not in ("run.json", "trials"):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    _change(folder, status="running", trials=[], best=None)
    return folder


def _change(folder: Path, **facts: object) -> None:
    state = json.loads((folder / "run.json").read_text("utf-8"))
    (folder / "run.json").write_text(json.dumps(state | facts), "utf-8")


def test_resume_of_a_killed_run(killed: Path, run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The run is finished with the model that it would have had, on the backend it began with, whatever is selected now."""
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    code = (
        "import atexit, os, sys\n"
        "atexit.register(lambda: sys.stderr.write(os.environ['KERAS_BACKEND']))\n"
        "from headstart.cli import main\nmain()\n"
    )
    done = _run("resume", killed, "--json", "--quiet", code=code)
    assert done.returncode == 0, done.stderr
    assert done.stderr.endswith("tensorflow")
    value, before = json.loads(done.stdout), json.loads((run / "run.json").read_text("utf-8"))
    assert (value["status"], value["best"]["val_loss"]) == ("done", before["best"]["val_loss"])
    assert (killed / "manifest.json").is_file()
    assert (killed / "report.html").is_file()


def test_resume_needs_the_backend_of_the_run(killed: Path, call: Call) -> None:
    """A backend that is not installed is reported before Keras is imported, and the run is left unchanged."""
    _change(killed, backend="mxnet")
    before = _contents(killed)
    status, out, err = call("resume", killed)
    assert (status, out) == (2, "")
    assert _three_lines(err, "H005")["received"] == "mxnet"
    assert _contents(killed) == before


def test_resume_needs_the_plan_of_the_run(killed: Path, call: Call, tmp_path: Path) -> None:
    """A plan file that has changed, or is missing, is reported."""
    plan = tmp_path / "mine.toml"
    request = json.loads((killed / "run.json").read_text("utf-8"))["request"]
    _change(killed, request=request | {"plan": "mine.toml", "folder": str(tmp_path), "plan_digest": "0" * 64, "trials": []})
    plan.write_text(PLAN, "utf-8")
    assert _three_lines(call("resume", killed)[2], "H515")["received"].startswith(str(plan))
    plan.unlink()
    assert _three_lines(call("resume", killed)[2], "H001")["received"] == str(plan)


def test_leaderboard_of_one_or_more_runs(run: Path, call: Call) -> None:
    """The leaderboard is printed as JSON, as CSV and as a table, for one run or several."""
    status, out, err = call("leaderboard", run, run, "--json")
    rows = json.loads(out)["trials"]
    assert (status, err, len(rows)) == (0, "", 2)
    assert [set(row) for row in rows] == [TRIAL_KEYS | {"run"}] * 2
    status, out, err = call("leaderboard", run, "--csv")
    (row,) = csv.DictReader(io.StringIO(out))
    assert (status, err, row["trial"], row["run"]) == (0, "", "efficientnet_lite0-grid2-linear", str(run))
    status, out, err = call("leaderboard", run)
    assert (status, err) == (0, "")
    assert all(text in out for text in ("efficientnet_lite0-grid2-linear", "val_loss", "total s"))


def test_evaluate_json_has_the_promised_keys(run: Path, data: Path, call: Call) -> None:
    """``evaluate --json`` has n, an interval and the baseline of the accuracy, and the split that the samples come from."""
    status, out, _ = call("evaluate", run, data, "--json")
    value = json.loads(out)
    assert status == 0
    assert set(value) == EVALUATION_KEYS
    assert (value["classes"], value["n"]) == (CLASSES, 3 * NUM_PHOTOS)
    low, high = value["accuracy_interval"]
    assert low <= value["accuracy"] <= high
    assert set(value["roc_auc"]) == {"micro", "macro", "per_class"}
    assert [sum(row) for row in value["confusion_matrix"]] == [NUM_PHOTOS] * 3
    assert all(set(row) == {"precision", "recall", "f1", "support"} for row in value["report"].values())
    assert (value["split"], value["optimistic"]) == ("train", True)  # these files trained the model, and it says so


def test_evaluate_leaves_its_results_in_the_folder_of_out(run: Path, data: Path, call: Call, tmp_path: Path) -> None:
    """The numbers, the predictions, what was left out, and the figures; a folder in use is rejected."""
    out = tmp_path / "out"
    status, shown, _ = call("evaluate", run, data, "--out", out, "--json")
    assert status == 0
    assert json.loads((out / "evaluation.json").read_text("utf-8")) == json.loads(shown)
    assert {path.name for path in out.iterdir()} == {
        "evaluation.json", "predictions.csv", "skipped.csv", "roc.svg", "confusion.svg"
    }  # fmt: skip
    assert len((out / "predictions.csv").read_text("utf-8").splitlines()) == 1 + 3 * NUM_PHOTOS
    assert "broken.jpg" in (out / "skipped.csv").read_text("utf-8")
    status, shown, err = call("evaluate", run, data, "--out", out)
    assert (status, shown) == (2, "")
    _three_lines(err, "H501")


def test_run_is_loaded_by_its_path_and_loads_its_model_once(run: Path, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``hs.load`` opens it; only the first prediction reads and compiles the model; its HTML has every trial."""
    loaded = headstart.load(run)
    assert isinstance(loaded, headstart.Run)
    made: list[Path] = []
    monkeypatch.setattr("headstart.search.run.Predictor", lambda folder: made.append(folder) or Predictor(folder))
    paths = sorted(str(path) for path in (data / "circle").glob("0*.jpg"))[:2]
    first, second = loaded.predict(paths), loaded.predict(pd.Series(paths, index=["x", "y"]))
    assert made == [run]
    assert list(second.index) == ["x", "y"]
    assert list(first["predicted"]) == list(second["predicted"])
    html = loaded._repr_html_()
    assert ">efficientnet_lite0-grid2-linear</td>" in html
    assert "accuracy" in html


def test_evaluate_without_images_is_an_error(run: Path, call: Call, tmp_path: Path) -> None:
    """Data that are missing, or contain none of the run's classes, give an error of three lines."""
    status, out, err = call("evaluate", run, tmp_path / "nothing")
    assert (status, out) == (2, "")
    _three_lines(err, "H106")


def test_predict_keeps_order_and_names_bad_files(run: Path, data: Path, call: Call, tmp_path: Path) -> None:
    """There is one row per file, in the given order; an unreadable or missing file has an error, and the status is 1."""
    missing = tmp_path / "missing\n<b>.jpg"
    paths = [data / "triangle" / "003.jpg", data / "circle" / "broken.jpg", data / "circle" / "001.jpg", missing]
    status, out, _ = call("predict", run, *paths, "--json")
    rows = json.loads(out)["predictions"]
    assert status == 1
    assert [row["path"] for row in rows] == [str(path) for path in paths]
    assert [row["predicted"] for row in rows] == ["triangle", None, "circle", None]
    assert [bool(row["error"]) for row in rows] == [False, True, False, True]
    assert all(set(row) == {"path", "predicted", *(f"p_{name}" for name in CLASSES), "error"} for row in rows)
    assert sum(rows[0][f"p_{name}"] for name in CLASSES) == pytest.approx(1, abs=1e-4)
    assert all(rows[1][f"p_{name}"] is None for name in CLASSES)


def test_predict_adds_sets_with_a_coverage(run: Path, data: Path, call: Call) -> None:
    """A column of classes joined by semicolons, empty for a bad file; bad coverages are H048 and H049."""
    paths = [data / "triangle" / "003.jpg", data / "circle" / "broken.jpg"]
    status, out, _ = call("predict", run, *paths, "--coverage", "0.8", "--json")
    good, bad = json.loads(out)["predictions"]
    assert status == 1
    assert set(good["set"].split(";")) - {""} <= set(CLASSES)
    limit = json.loads((run / "signature.json").read_text("utf-8"))["conformal"]["limits"]["80"][0]
    assert good["set"] == ";".join(name for name in CLASSES if good[f"p_{name}"] >= 1 - limit)
    assert bad["set"] is None
    for coverage, code in (("1.5", "H048"), ("0.99", "H049")):
        status, _, err = call("predict", run, paths[0], "--coverage", coverage)
        assert (status, code in err) == (2, True)


def test_predict_writes_csv(run: Path, data: Path, call: Call, tmp_path: Path) -> None:
    """CSV goes to standard output, or to the file of ``--out``; a folder stands for its files in natural order."""
    status, out, _ = call("predict", run, data / "square")
    rows = list(csv.DictReader(io.StringIO(out)))
    assert status == 0
    assert [row["path"] for row in rows] == [str(data / "square" / f"{i:03d}.jpg") for i in range(NUM_PHOTOS)]
    assert list(rows[0]) == ["path", "predicted", *(f"p_{name}" for name in CLASSES)]
    status, nothing, _ = call("predict", run, data / "square", "--out", tmp_path / "answers.csv")
    assert (status, nothing) == (0, "")
    assert (tmp_path / "answers.csv").read_text("utf-8") == out


def test_predict_of_an_empty_folder_is_an_error(run: Path, call: Call, tmp_path: Path) -> None:
    """An empty folder is an error rather than an empty result."""
    status, out, err = call("predict", run, tmp_path)
    assert (status, out) == (2, "")
    _three_lines(err, "H006")


def test_predict_needs_no_training_framework(run: Path, data: Path) -> None:
    """A fresh process that predicts imports neither Keras nor TensorFlow, PyTorch, JAX, pandas or matplotlib."""
    names = ("keras", "tensorflow", "torch", "jax", "pandas", "matplotlib")
    code = (
        "import atexit, sys\n"
        f"atexit.register(lambda: sys.stderr.write(' '.join(n for n in {names!r} if n in sys.modules)))\n"
        "from headstart.cli import main\nmain()\n"
    )
    done = _run("predict", run, data / "circle" / "000.jpg", code=code)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout.splitlines()) == 2


@pytest.mark.parametrize("unbuffered", ["", "1"], ids=["buffered", "unbuffered"])
@pytest.mark.parametrize("arguments", [["--csv"], ["--json"], []], ids=["csv", "json", "table"])
def test_closed_pipe_is_no_error(arguments: list[str], unbuffered: str, run: Path) -> None:
    """If the reader of standard output has exited, as ``head`` does, the command ends without a message."""
    environment = _environment() | {"PYTHONUNBUFFERED": unbuffered}
    command = _process("leaderboard", run, *arguments)
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run(command, env=environment, stdout=writer, stderr=subprocess.PIPE, check=False)
    finally:
        os.close(writer)
    assert done.stderr == b""
    assert done.returncode in (0, 1)


def test_export_json_has_path_size_and_difference(run: Path, call: Call, tmp_path: Path) -> None:
    """``export --json`` has the path, the size and the difference from the trained model for each format."""
    status, out, _ = call("export", "--to", "keras", "--json", "--out", tmp_path / "shipped", run)
    assert status == 0
    (entry,) = json.loads(out)["exports"]
    assert set(entry) == {"format", "path", "file_mb", "max_difference", "seconds"}
    assert (entry["format"], entry["path"]) == ("keras", str(tmp_path / "shipped" / "model.keras"))
    assert 0 <= entry["max_difference"] <= 1e-3
    assert Path(entry["path"]).is_file()


def test_unknown_format_raises_h401(run: Path, call: Call) -> None:
    """H401 lists the available formats."""
    status, out, err = call("export", run, "--to", "onnx", "word")
    assert (status, out) == (2, "")
    texts = _three_lines(err, "H401")
    assert texts["received"] == "word"
    assert "saved_model" in texts["expected"]


def test_stack_lists_every_layer(call: Call) -> None:
    """``stack`` shows every layer from Python to the hardware, as JSON and as a table, whatever is installed."""
    status, out, err = call("stack", "--json")
    layers = json.loads(out)["layers"]
    assert (status, err) == (0, "")
    assert all(set(row) == {"layer", "found", "use"} and row["found"] for row in layers)
    names = [row["layer"] for row in layers]
    assert names[:3] == ["Python", "Headstart", "Keras"]
    assert {"tensorflow", "torch", "jax", "OpenVINO", "ONNX Runtime", "LiteRT", "CUDA", "cuDNN", "GPU", "CPU"} <= set(names)
    status, out, err = call("stack")
    assert (status, err) == (0, "")
    assert all(name in out for name in names)
