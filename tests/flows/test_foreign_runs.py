"""Run folders from anyone: nothing in them is executed, and what is wrong with them is told in three lines."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import headstart as hs
from headstart.data.images import preprocess as pixels
from headstart.data.tables import preprocess as encoding
from headstart.foundation.errors import HeadstartError, RunError
from headstart.foundation.fingerprint import file_digest
from headstart.foundation.runs.files import read_json, write_json
from headstart.foundation.runs.run_folder import RunFolder

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:.*:UserWarning"),
]

DEEP = b"[" * 100_000 + b"]" * 100_000
NESTED = "nested too deeply"
Call = Callable[..., tuple[int, str, str]]
Damage = Callable[[Path], object]


@pytest.fixture(scope="session")
def table(make_table: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A labelled table."""
    return make_table(tmp_path_factory.mktemp("rows") / "rows.csv", "multiclass", rows=150)


@pytest.fixture(scope="session")
def finished(table: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run on it."""
    return hs.fit(table, trial="table-linear", folds=0, out=tmp_path_factory.mktemp("runs") / "run").path


@pytest.fixture
def run(finished: Path, tmp_path: Path) -> Path:
    """A copy of the run, to be spoilt."""
    return Path(shutil.copytree(finished, tmp_path / "run"))


def content(name: str, data: bytes | str) -> Damage:
    """Another content in a file of the run."""
    return lambda run: (run / name).write_bytes(data.encode("utf-8") if isinstance(data, str) else data)


def value(name: str, *keys: str | int, to: Any) -> Damage:
    """Another value at a place in a JSON file of the run."""

    def damage(run: Path) -> None:
        place = whole = read_json(run / name)
        for key in keys[:-1]:
            place = place[key]
        place[keys[-1]] = to
        (run / name).write_text(json.dumps(whole))

    return damage


def without(name: str, *keys: str | int) -> Damage:
    """A JSON file of the run that lacks a value."""

    def damage(run: Path) -> None:
        place = whole = read_json(run / name)
        for key in keys[:-1]:
            place = place[key]
        del place[keys[-1]]
        (run / name).write_text(json.dumps(whole))

    return damage


def gone(name: str) -> Damage:
    """No such file in the run."""
    return lambda run: (run / name).unlink()


def cut(name: str) -> Damage:
    """The first half of a file of the run."""
    return lambda run: (run / name).write_bytes((run / name).read_bytes()[: (run / name).stat().st_size // 2])


def cell(name: str, column: str, to: str) -> Damage:
    """Another text in the first row of a CSV file of the run."""

    def damage(run: Path) -> None:
        heading, first, *others = (run / name).read_text().split("\n")
        cells = first.split(",")
        cells[heading.split(",").index(column)] = to
        (run / name).write_text("\n".join([heading, ",".join(cells), *others]))

    return damage


def keras_config(change: Callable[[str], str | bytes | None]) -> Damage:
    """Another config.json in the Keras model of the run, or none."""

    def damage(run: Path) -> None:
        with zipfile.ZipFile(run / "model.keras") as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
        config = change(members.pop("config.json").decode())
        if config is not None:
            members["config.json"] = config.encode() if isinstance(config, str) else config
        with zipfile.ZipFile(run / "model.keras", "w") as archive:
            for name, data in members.items():
                archive.writestr(name, data)

    return damage


def onnx_graph(change: Callable[[Any, Path], None]) -> Damage:
    """Another graph in the ONNX file of the run."""

    def damage(run: Path) -> None:
        import onnx

        model = onnx.load(run / "model.onnx")
        change(model.graph, run)
        (run / "model.onnx").write_bytes(model.SerializeToString())

    return damage


def _other_input(graph: Any, _run: Path) -> None:
    graph.input[0].type.tensor_type.elem_type = 7


def _weights_elsewhere(graph: Any, run: Path) -> None:
    (run.parent / "private.bin").write_bytes(bytes(4096))
    tensor = next(tensor for tensor in graph.initializer if tensor.data_type == 1 and len(tensor.dims) == 2)
    tensor.ClearField("raw_data")
    tensor.ClearField("float_data")
    tensor.data_location = 1
    for key, text in (("location", "../private.bin"), ("offset", "0"), ("length", str(4 * int(np.prod(tensor.dims))))):
        entry = tensor.external_data.add()
        entry.key, entry.value = key, text


def link(name: str, to: str) -> Damage:
    """A link in place of a file or folder of the run."""

    def damage(run: Path) -> None:
        shutil.move(run / name, run.parent / "elsewhere")
        (run / name).symlink_to(run.parent / to)

    return damage


SIGNATURE, STATE, MANIFEST = "signature.json", "run.json", "manifest.json"
PREDICT, EVALUATE, EXPORT, SHOW = "predict", "evaluate", "export", "resume"  # a finished run is shown by resume
RESUME = "resume killed"

# What is damaged, the verb that comes upon it, the code, and words of what is told.
DAMAGES: dict[str, tuple[Damage, str, str, str]] = {
    "signature nested too deeply": (content(SIGNATURE, DEEP), PREDICT, "H502", NESTED),
    "signature cut short": (cut(SIGNATURE), PREDICT, "H502", SIGNATURE),
    "signature empty": (content(SIGNATURE, b""), EXPORT, "H502", SIGNATURE),
    "signature not text": (content(SIGNATURE, b"\xff\xfe{}"), PREDICT, "H502", SIGNATURE),
    "signature a list": (content(SIGNATURE, "[1]"), EVALUATE, "H502", "a list, not an object"),
    "signature missing": (gone(SIGNATURE), PREDICT, "H505", "no model"),
    "signature without task": (without(SIGNATURE, "task"), PREDICT, "H502", "task is missing"),
    "unknown task": (value(SIGNATURE, "task", to="poetry"), PREDICT, "H502", "'poetry', not one of"),
    "labels a number": (value(SIGNATURE, "labels", to=7), PREDICT, "H502", "the number 7, not a list"),
    "a label twice": (value(SIGNATURE, "labels", to=["a", "a", "b"]), PREDICT, "H502", "2 of them different"),
    "a label too few": (value(SIGNATURE, "labels", to=["a", "b"]), EXPORT, "H502", "does not match 2 labels"),
    "no number": (value(SIGNATURE, "threshold", to=float("nan")), PREDICT, "H502", "not a finite number"),
    "a number beyond all": (value(SIGNATURE, "threshold", to=float("inf")), PREDICT, "H502", "not a finite number"),
    "shape of text": (value(SIGNATURE, "input", "shape", to="(n, 3)"), PREDICT, "H502", "input.shape"),
    "a huge shape": (value(SIGNATURE, "input", "shape", 1, to=10**12), PREDICT, "H502", "input.shape"),
    "no encoding": (value(SIGNATURE, "encoding", to=None), PREDICT, "H502", "encoding is null"),
    "unknown kind of column": (value(SIGNATURE, "encoding", "columns", 0, "kind", to="poem"), PREDICT, "H502", "poem"),
    "a scale of text": (value(SIGNATURE, "encoding", "columns", 0, "scale", to="x"), PREDICT, "H502", SIGNATURE),
    "a column without a fill": (without(SIGNATURE, "encoding", "columns", 0, "fill"), PREDICT, "H502", "fill"),
    "a huge width": (value(SIGNATURE, "encoding", "width", to=10**13), EXPORT, "H502", "encoding.width"),
    "a column without a name": (without(SIGNATURE, "columns", 0, "name"), PREDICT, "H502", "columns[0].name is missing"),
    "digests a list": (value(SIGNATURE, "digests", to=[1]), EXPORT, "H502", "digests is a list"),
    "manifest nested too deeply": (content(MANIFEST, DEEP), PREDICT, "H502", NESTED),
    "manifest a number": (content(MANIFEST, "3"), "leaderboard", "H502", "the number 3"),
    "digests that are no text": (content(MANIFEST, '{"files": {"run.json": 3}}'), SHOW, "H502", "files['run.json']"),
    "manifest of nothing": (content(MANIFEST, "{}"), EVALUATE, "H506", STATE),
    "run.json nested too deeply": (content(STATE, b'{"format": 3, "trials": ' + DEEP + b"}"), SHOW, "H502", NESTED),
    "run.json a list": (content(STATE, "[]"), "leaderboard", "H502", "a list"),
    "a newer run": (value(STATE, "format", to=99), PREDICT, "H504", "99"),
    "a format of text": (value(STATE, "format", to="x" * 500), EXPORT, "H504", "format"),
    "trials an object": (value(STATE, "trials", to={}), "leaderboard", "H502", "trials is an object"),
    "a huge count": (value(STATE, "test_looks", to=10**400), EVALUATE, "H502", "test_looks"),
    "seconds of text": (value(STATE, "wall_seconds", to="long"), SHOW, "H502", "wall_seconds"),
    "leaderboard of other columns": (content("leaderboard.csv", "a,b\n1,2\n"), "leaderboard", "H502", "metric"),
    "leaderboard cut short": (content("leaderboard.csv", "rank,trial\n1\n"), "leaderboard", "H502", "line 2"),
    "leaderboard without numbers": (cell("leaderboard.csv", "val_loss", "nan"), "leaderboard", "H502", "val_loss"),
    "leaderboard of half a trial": (cell("leaderboard.csv", "total_seconds", ""), "leaderboard", "H502", "total_seconds"),
    "leaderboard missing": (gone("leaderboard.csv"), SHOW, "H502", "leaderboard.csv"),
    "evaluation nested too deeply": (content("evaluation.json", DEEP), SHOW, "H502", NESTED),
    "an interval of three": (value("evaluation.json", "accuracy_interval", to=[0, 1, 2]), SHOW, "H502", "3 items"),
    "an evaluation of poetry": (value("evaluation.json", "task", to="poetry"), SHOW, "H502", "poetry"),
    "a finding of a number": (content("findings.json", "[5]"), SHOW, "H502", "[0] is the number 5"),
    "contents without digests": (content("contents.csv", "a,b\n1,2\n"), EVALUATE, "H502", "digest is missing"),
    "contents of another split": (cell("contents.csv", "split", "holdout"), EVALUATE, "H502", "holdout"),
    "a graph that is none": (content("model.onnx", b"\x00" * 64), PREDICT, "H502", "model.onnx"),
    "a graph cut short": (cut("model.onnx"), PREDICT, "H502", "model.onnx"),
    "a graph of other columns": (onnx_graph(_other_input), PREDICT, "H502", "model.onnx"),
    "a graph with weights elsewhere": (onnx_graph(_weights_elsewhere), PREDICT, "H502", "model.onnx"),
    "golden samples cut short": (cut("golden.npz"), EXPORT, "H502", "golden.npz"),
    "golden samples of text": (content("golden.npz", "x"), EXPORT, "H502", "golden.npz"),
    "a model that is none": (content("model.keras", "x"), EXPORT, "H502", "model.keras"),
    "a model without layers": (keras_config(lambda _: None), EXPORT, "H502", "config.json"),
    "a model nested too deeply": (keras_config(lambda _: DEEP), EXPORT, "H502", NESTED),
    "a model with a Lambda": (keras_config(lambda text: text.replace('"Dense"', '"Lambda"')), EXPORT, "H521", "Lambda"),
    "a model of another module": (
        keras_config(lambda text: text.replace('"keras.layers"', '"os"')),
        EXPORT,
        "H521",
        "os.Dense",
    ),
    "a link to a file": (link("golden.npz", "elsewhere"), EXPORT, "H520", "golden.npz"),
    "a link to a folder": (link("trials", "elsewhere"), "leaderboard", "H520", "trials"),
    "a device": (lambda run: os.mkfifo(run / "notes.csv"), PREDICT, "H520", "notes.csv"),
    "a request of nothing": (value(STATE, "request", to={}), RESUME, "H502", "request.data is missing"),
    "a request for a negative seed": (value(STATE, "request", "seed", to=-1), RESUME, "H007", "-1"),
    "a request for trials of null": (value(STATE, "request", "trials", to=None), RESUME, "H502", "request.trials"),
    "a run without its order": (without(STATE, "order"), RESUME, "H502", "order is missing"),
    "a trial with a score of text": (value(STATE, "trials", 0, "val_accuracy", to="x"), RESUME, "H502", "not a number"),
    "a trial without a metric": (without(STATE, "trials", 0, "val_accuracy"), RESUME, "H502", "metric"),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_broken_run_is_told_in_three_lines(name: str, run: Path, table: Path, call: Call) -> None:
    """Also where the manifest says that all is well: whoever wrote the files may have written that too."""
    damage, verb, code, words = DAMAGES[name]
    (run / MANIFEST).unlink() if verb == RESUME else None
    damage(run)
    if verb != RESUME and not name.startswith(("manifest", "digests that", "a link", "a device")):
        (run / MANIFEST).unlink()
        _seal(run)
    more = {PREDICT: [table], EVALUATE: [table], EXPORT: ["--to", "onnx", "--out", run.parent / "out"]}.get(verb, [])
    status, out, told = call(verb.removesuffix(" killed"), run, *more)
    lines = [line for line in told.splitlines() if not line.startswith("D2")]
    assert status == 2, told
    assert verb == SHOW or out == ""
    assert lines[-4].startswith(("RunError ", "UsageError ")), told
    assert [line.split()[0] for line in lines[-3:]] == ["received", "expected", "do"]
    assert code in lines[-4]
    assert words in told
    assert "Traceback" not in told
    assert not (run.parent / "out").exists()


def _seal(run: Path) -> None:
    """Write a manifest that fits, as far as the files can be read at all."""
    try:
        RunFolder(run).seal()
    except RunError:
        files = {path.name: file_digest(path) for path in run.iterdir() if path.is_file() and path.name != STATE}
        write_json(run / MANIFEST, {"format": 3, "files": files | {STATE: "0"}})


@pytest.mark.parametrize(
    ("name", "verb"),
    [
        ("signature.json", PREDICT),
        ("model.onnx", PREDICT),
        ("contents.csv", EVALUATE),
        ("model.keras", EXPORT),
        ("golden.npz", EXPORT),
        ("preprocess.py", EXPORT),
        ("run.json", "leaderboard"),
        ("leaderboard.csv", "leaderboard"),
        ("evaluation.json", SHOW),
        ("findings.json", SHOW),
    ],
)
def test_file_that_differs_from_the_manifest_is_refused(name: str, verb: str, run: Path, table: Path, call: Call) -> None:
    """H506 and the name of the file, whichever verb reads it; one byte is enough."""
    data = (run / name).read_bytes()
    (run / name).write_bytes(data.replace(b'"table-linear"', b'"table-Linear"') if name == STATE else data + b"\n")
    more = {PREDICT: [table], EVALUATE: [table], EXPORT: ["--to", "onnx", "--out", run.parent / "out"]}.get(verb, [])
    status, _, told = call(verb, run, *more)
    assert status == 2
    assert "RunError H506" in told
    assert name in told


@pytest.mark.parametrize(
    ("damage", "code"),
    [
        (without(SIGNATURE, "part_a"), "H502"),
        (value(SIGNATURE, "part_b", to=[]), "H502"),
        (value(SIGNATURE, "part_a", "backbone", to="efficientnet_lite0"), "H"),
        (value(SIGNATURE, "part_a", "backbone", to="../../x"), "H"),
        (value(SIGNATURE, "part_b", "network", to="__import__"), "H"),
        (value(SIGNATURE, "part_b", "options", to={"activation": {"module": "os", "class_name": "system"}}), "H"),
        (value(SIGNATURE, "part_b", "options", to={"units": [10**9]}), "H"),
        (content("model.keras", b"x"), "H502"),
        (gone("model.keras"), "H502"),
    ],
)
def test_broken_model_is_not_loaded(damage: Damage, code: str, run: Path) -> None:
    """``hs.Model.load`` builds what the signature names out of known parts, and refuses all else."""
    (run / MANIFEST).unlink()
    damage(run)
    signature = read_json(run / SIGNATURE)
    if (run / "model.keras").exists():
        signature["digests"]["model.keras"] = file_digest(run / "model.keras")
    write_json(run / SIGNATURE, signature)
    with pytest.raises(HeadstartError, match=code):
        hs.Model.load(run)


# Notes what is executed, imported or started from below a folder; Python itself calls the hook, in child processes too.
HOOK = """
import os, sys

folder, log = os.environ["WATCHED"], os.environ["WATCH_LOG"]
ours = [open(name, "rb").read() for name in os.environ["WATCH_OURS"].split(os.pathsep)]


def named(event, args):
    if event == "exec":
        return [getattr(args[0], "co_filename", "")]
    if event == "subprocess.Popen":
        return [args[0], *args[1]]
    if event == "os.system":
        return str(args[0]).split()
    return [args[1]] if event in ("compile", "import") else [args[0]] if event == "ctypes.dlopen" else []


def hook(event, args):
    for name in named(event, args):
        name = os.fsdecode(name) if isinstance(name, (str, bytes)) else ""
        if not os.path.abspath(name).startswith(folder + os.sep) or not os.path.isfile(name):
            continue
        if open(name, "rb").read() not in ours:  # the package's own preprocess.py is checked beside an export
            with open(log, "a") as file:
                file.write(f"{event} {name}\\n")


sys.addaudithook(hook)
"""
PLANTED = ("preprocess", "sitecustomize", "usercustomize", "json", "numpy", "keras", "headstart", "openvino", "onnx")


@pytest.mark.parametrize("is_sealed", [True, False], ids=["finished", "incomplete"])
def test_nothing_in_a_run_is_executed(is_sealed: bool, run: Path, table: Path, tmp_path: Path) -> None:
    """Not by any verb, not in any child process, and not if the user stands in the folder; the code there is only bytes."""
    marker, log = tmp_path / "marker", tmp_path / "log"
    for name in PLANTED:
        (run / f"{name}.py").write_text(f"open({str(marker)!r}, 'a').write({name!r})\n", "utf-8")
    signature = read_json(run / SIGNATURE)
    signature["digests"]["preprocess.py"] = file_digest(run / "preprocess.py")
    write_json(run / SIGNATURE, signature)
    RunFolder(run).seal()
    steps = [["predict", run, table], ["evaluate", run, table], ["leaderboard", run], ["export", run, "--to", "onnx"]]
    if is_sealed:
        steps.append(["resume", run])
    else:  # predict makes the graph, as for a run that was killed before it had one
        for name in (MANIFEST, "model.onnx"):
            (run / name).unlink()
    (tmp_path / "hook").mkdir()
    (tmp_path / "hook" / "sitecustomize.py").write_text(HOOK, "utf-8")
    (tmp_path / "headstart-cli").write_text(
        "import json, sys\nfrom headstart.cli import main\n\nfor step in json.loads(sys.argv[1]):\n"
        "    try:\n        main(step)\n    except SystemExit as ended:\n        print('ended', ended.code, flush=True)\n"
    )
    ours = os.pathsep.join([str(pixels.__file__), str(encoding.__file__)])
    paths = os.pathsep.join([str(tmp_path / "hook"), str(Path(hs.__file__).parents[1])])
    watch = {"PYTHONPATH": paths, "WATCHED": str(run), "WATCH_LOG": str(log), "WATCH_OURS": ours}
    arguments = json.dumps([[str(word) for word in step] for step in steps])
    command = [sys.executable, str(tmp_path / "headstart-cli"), arguments]
    done = subprocess.run(command, cwd=run, env=os.environ | watch, capture_output=True, text=True, check=False)
    assert not marker.exists(), marker.read_text()
    assert not log.exists(), log.read_text()
    ended = [line for line in done.stdout.splitlines() if line.startswith("ended")]
    assert ended == ["ended 0"] * len(steps), done.stderr[-2000:]
    shipped = run / "exports" / "preprocess.py"
    assert shipped.read_bytes() == Path(encoding.__file__).read_bytes()


def test_graph_that_is_made_later_belongs_to_the_run(run: Path, table: Path, call: Call) -> None:
    """A run that had no time for its graph gets one from the first predict, and the next predict trusts it."""
    (run / "model.onnx").unlink()
    digests = read_json(run / SIGNATURE)
    del digests["digests"]["model.onnx"]
    write_json(run / SIGNATURE, digests)
    (run / MANIFEST).unlink()
    RunFolder(run).seal()
    for _ in range(2):
        status, _, told = call("predict", run, table)
        assert status == 0, told
    assert RunFolder(run).damaged() == []


def test_graph_that_nobody_signed_is_made_anew(run: Path, table: Path, call: Call) -> None:
    """A graph that was put into a run is not asked for answers."""
    (run / MANIFEST).unlink()
    signature = read_json(run / SIGNATURE)
    del signature["digests"]["model.onnx"]
    write_json(run / SIGNATURE, signature)
    (run / "model.onnx").write_bytes(b"planted")
    RunFolder(run).check(SIGNATURE)
    assert call("predict", run, table)[0] == 0
    assert (run / "model.onnx").read_bytes() != b"planted"
