"""Privacy: nothing is sent, nothing is written outside the run folder and the cache, and a host program is not changed."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

import headstart

SOURCE = Path(headstart.__file__).parents[1]
WATCHED = Path(__file__).parents[1] / "watched"

# What a test or a developer's machine may have set, and a user has not.
UNSET = ("KERAS_HOME", "MPLCONFIGDIR", "ORT_DISABLE_TELEMETRY", "CI", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME")


class Watched(NamedTuple):
    """A process that was watched, and its children.

    Attributes:
        done: How it ended.
        notes: Connections, names looked up and writes outside the folders that are allowed.
        home: Files and folders in the home folder, which was empty.
        rest: Files and folders left in the folder for temporary files.
        folder: Its current folder, which also holds the cache.
    """

    done: subprocess.CompletedProcess[str]
    notes: list[str]
    home: list[str]
    rest: list[str]
    folder: Path


def watched(code: str, work: Path, *arguments: object, **variables: str) -> Watched:
    """Run Python code with an empty home folder and ``work`` as its current folder, and watch all that it starts."""
    folders = {name: work / name for name in ("home", "cache", "temporary")}
    for name in ("home", "temporary"):
        folders[name].mkdir(exist_ok=True, parents=True)
    log = work / "notes"
    log.touch()
    allowed = (work / "run", work / "runs", folders["cache"], folders["temporary"])
    environment = {name: value for name, value in os.environ.items() if name not in UNSET}
    environment |= {
        "HOME": str(folders["home"]),
        "TMPDIR": str(folders["temporary"]),
        "HEADSTART_CACHE": str(folders["cache"]),
        "PYTHONPATH": os.pathsep.join([str(WATCHED), str(SOURCE)]),
        "PYTHONDONTWRITEBYTECODE": "1",
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "WATCH_LOG": str(log.resolve()),
        "WATCH_ALLOWED": os.pathsep.join(str(path.resolve()) for path in allowed),
        **variables,
    }
    command = [sys.executable, "-c", code, *map(str, arguments)]
    done = subprocess.run(command, cwd=work, env=environment, capture_output=True, text=True, check=False)
    told = log.read_text("utf-8").splitlines()
    home, temporary = folders["home"], folders["temporary"]
    return Watched(done, told, *([str(path) for path in folder.rglob("*")] for folder in (home, temporary)), work)


COMMANDS = """
import os, sys
from headstart.cli import main

os.umask(0)

def headstart(*arguments):
    try:
        main(arguments)
    except SystemExit as ended:
        assert ended.code == 0, (arguments, ended.code)

data, run, sample, *formats = sys.argv[1:]
headstart("fit", data, "--trial", "linear", "--folds", "0", "--out", run, "--quiet", "--json")
headstart("predict", run, sample, "--out", run + "/answers.csv")
if formats:
    headstart("export", run, "--to", *formats, "--out", run + "/exports")
"""


@pytest.fixture(params=["images", "table"])
def work(
    request: pytest.FixtureRequest, tmp_path: Path, make_photos: Callable[..., Path], make_table: Callable[..., Path]
) -> Watched:
    """Fit, predict and export of a few images, and of a table, as a user with an empty home folder runs them."""
    if request.param == "images":
        data = make_photos(tmp_path / "data", per_class=6)
        return watched(COMMANDS, tmp_path / "work", data, "run", data / "circle" / "000.jpg", "onnx")
    data = make_table(tmp_path / "data.csv", "binary")
    return watched(COMMANDS, tmp_path / "work", data, "run", data)


def test_fit_predict_and_export_are_private(work: Watched) -> None:
    """No connection, no name looked up, no file in the home folder or among temporary files, none for other users to read.

    The umask would let all users read and write what holds samples of the user.
    """
    assert work.done.returncode == 0, work.done.stderr
    assert (work.notes, work.home, work.rest) == ([], [], [])
    theirs = ("keras", "matplotlib")  # libraries write their files as they like; nobody else gets into their folders
    kept = [
        path for path in work.folder.glob("cache/**/*") if path.relative_to(work.folder / "cache").parts[0] not in theirs
    ]
    kept += [work.folder / "cache", *(work.folder / "cache" / name for name in theirs)]
    samples = [path for name in ("golden.npz", "report.html") for path in work.folder.glob(f"run/**/{name}")]
    assert kept
    assert len(samples) >= 2
    assert {path: oct(path.stat().st_mode & 0o077) for path in kept + samples if path.stat().st_mode & 0o077} == {}


@pytest.mark.slow
def test_the_demo_is_private(tmp_path: Path) -> None:
    """All of its trials and its report, likewise."""
    found = watched("from headstart.cli import main; main(['demo', '--quiet', '--json'])", tmp_path / "work")
    assert found.done.returncode == 0, found.done.stderr
    assert (found.notes, found.home, found.rest) == ([], [], [])
    assert len(list(found.folder.glob("runs/*/report.html"))) == 1


@pytest.mark.skipif(sys.platform != "linux", reason="the home folder is named by another variable")
def test_the_watch_sees_what_openvino_does_by_itself(tmp_path: Path) -> None:
    """OpenVINO imported without Headstart looks a name up and writes into the home folder: the watch is not blind."""
    found = watched("import openvino", tmp_path)
    assert any("google-analytics" in note for note in found.notes)
    assert found.home


SILENT = "from headstart.foundation.privacy import import_openvino_silently\nimport sys\n"


@pytest.mark.parametrize(
    "code",
    [
        "import_openvino_silently(); import openvino, openvino_telemetry",
        "import openvino_telemetry; mine = openvino_telemetry; import_openvino_silently(); import openvino\n"
        "import openvino_telemetry; assert openvino_telemetry is mine",
        "sys.modules['openvino_telemetry'] = None; import_openvino_silently(); import openvino\n"
        "assert sys.modules['openvino_telemetry'] is None",
    ],
    ids=["package used later", "package used before", "package masked by the user"],
)
def test_openvino_is_imported_silently_and_its_reporter_stays_usable(tmp_path: Path, code: str) -> None:
    """``openvino_telemetry`` is as it was for the host program, OpenVINO is whole, and nothing was sent."""
    whole = "assert callable(openvino.convert_model)"
    gone = "assert not [finder for finder in sys.meta_path if type(finder).__module__ == 'headstart.foundation.privacy']"
    found = watched(f"{SILENT}{code}\n{whole}\n{gone}", tmp_path)
    assert found.done.returncode == 0, found.done.stderr
    assert (found.notes, found.home) == ([], [])


def test_another_thread_can_import_the_reporter_meanwhile(tmp_path: Path) -> None:
    """While OpenVINO is imported, its reporter is hidden from the importing thread alone."""
    code = """
import threading, time
halfway, failed = threading.Event(), []

class Waits:
    def find_spec(self, name, path=None, target=None):
        if name == "openvino.tools":
            halfway.set()
            time.sleep(0.2)

def other():
    halfway.wait()
    try:
        import openvino_telemetry
    except ImportError as error:
        failed.append(error)

sys.meta_path.insert(0, Waits())
thread = threading.Thread(target=other)
thread.start()
import_openvino_silently()
thread.join()
assert not failed
"""
    found = watched(SILENT + code, tmp_path)
    assert found.done.returncode == 0, found.done.stderr


def test_import_headstart_leaves_the_modules_of_others_alone(tmp_path: Path) -> None:
    """Nothing is planted for ``openvino_telemetry``, also by the modules that describe formats and checks."""
    code = "import sys, headstart.export.convert_process, headstart.export.verify_process; "
    code += "assert 'openvino_telemetry' not in sys.modules"
    assert watched(code, tmp_path).done.returncode == 0


PRINT_FOLDERS = "import os, headstart; print(os.environ.get('KERAS_HOME'), os.environ.get('MPLCONFIGDIR'), sep='|')"


def folders_of(found: Watched) -> list[str]:
    """The folders that Keras and matplotlib were given."""
    assert found.done.returncode == 0, found.done.stderr
    return found.done.stdout.strip().split("|")


def test_keras_and_matplotlib_keep_their_folders_in_the_cache(tmp_path: Path) -> None:
    """Both lie in the cache, where their owner alone can read them."""
    folders = folders_of(watched(PRINT_FOLDERS, tmp_path))
    assert folders == [str(tmp_path / "cache" / name) for name in ("keras", "matplotlib")]
    assert [oct(Path(folder).stat().st_mode & 0o777) for folder in folders] == ["0o700", "0o700"]


def test_folders_that_a_user_named_stay(tmp_path: Path) -> None:
    """``KERAS_HOME`` and ``MPLCONFIGDIR`` that are set are not changed, nor is what ONNX Runtime was allowed."""
    code = PRINT_FOLDERS + "; assert os.environ['ORT_DISABLE_TELEMETRY'] == '0'"
    mine = {"KERAS_HOME": "my/keras", "MPLCONFIGDIR": "my/plots", "ORT_DISABLE_TELEMETRY": "0"}
    assert folders_of(watched(code, tmp_path, **mine)) == ["my/keras", "my/plots"]


@pytest.mark.skipif(sys.platform != "linux", reason="matplotlib's folder has another name")
def test_folders_that_a_user_has_already_are_used_as_before(tmp_path: Path) -> None:
    """Weights that Keras downloaded into ~/.keras/models are found, and a user's matplotlibrc counts."""
    (tmp_path / "home" / ".keras" / "models").mkdir(parents=True)
    (tmp_path / "home" / ".config" / "matplotlib").mkdir(parents=True)
    assert folders_of(watched(PRINT_FOLDERS, tmp_path)) == ["None", "None"]


def test_libraries_that_a_program_imported_before_keep_their_folders(tmp_path: Path) -> None:
    """Headstart imported after Keras and matplotlib changes nothing for them."""
    code = "import sys, types; sys.modules['keras'] = sys.modules['matplotlib'] = types.ModuleType('theirs')"
    assert folders_of(watched(f"{code}; {PRINT_FOLDERS}", tmp_path)) == ["None", "None"]


def test_import_headstart_does_not_fail_for_a_cache_that_cannot_be_used(tmp_path: Path) -> None:
    """Where the cache cannot be made, Keras and matplotlib do what they do by themselves."""
    (tmp_path / "file").touch()
    assert folders_of(watched(PRINT_FOLDERS, tmp_path, HEADSTART_CACHE=str(tmp_path / "file" / "cache"))) == ["None", "None"]
