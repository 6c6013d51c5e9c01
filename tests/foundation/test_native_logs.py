"""TensorFlow's log lines are hidden from a program that imports Headstart, and from no other."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import headstart

SOURCE = str(Path(headstart.__file__).parents[1])
# A package of this name that writes as TensorFlow does while it is imported: to the descriptor, whatever the level.
TENSORFLOW = """
import os, time
os.write(2, b"I0000 00:00:1795827049.139179   12286 port.cc:153] oneDNN custom operations are on\\n")
for _ in range(20):  # other threads run meanwhile
    time.sleep(0.1)
is_imported = True
"""
PROGRAM = """
import importlib.util, os, sys
import headstart
assert importlib.util.find_spec("tensorflow") is not None  # a look for the package does not import it
import threading
import tensorflow
assert tensorflow.is_imported
os.write(2, b"a line of another library\\n")
print("a line of the program", file=sys.stderr)
print(os.environ["TF_CPP_MIN_LOG_LEVEL"])
"""


def run(folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """A program that imports Headstart and then TensorFlow."""
    (folder / "tensorflow").mkdir()
    (folder / "tensorflow" / "__init__.py").write_text(TENSORFLOW)
    own = {name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"}
    own |= {"PYTHONPATH": os.pathsep.join((str(folder), SOURCE)), **environment}
    return subprocess.run([sys.executable, "-c", PROGRAM], env=own, capture_output=True, text=True, check=True)


def test_import_of_tensorflow_is_quiet_and_other_lines_are_kept(tmp_path: Path) -> None:
    """Only what is written during the import is hidden."""
    done = run(tmp_path)
    assert done.stderr == "a line of another library\na line of the program\n"
    assert done.stdout == "3\n"


def test_log_level_of_the_user_is_kept(tmp_path: Path) -> None:
    """A user who asks for TensorFlow's log gets it."""
    done = run(tmp_path, TF_CPP_MIN_LOG_LEVEL="0")
    assert "oneDNN custom operations" in done.stderr
    assert done.stdout == "0\n"


def test_error_during_the_import_in_another_thread_is_seen(tmp_path: Path) -> None:
    """A program that ends with an error while TensorFlow is still being imported shows its traceback."""
    (tmp_path / "tensorflow").mkdir()
    (tmp_path / "tensorflow" / "__init__.py").write_text(TENSORFLOW)
    program = """
import logging, sys, threading, time
import headstart
threading.Thread(target=__import__, args=("tensorflow",), daemon=True).start()
time.sleep(0.5)
handler = logging.StreamHandler()  # made during the import, used after it
sys.stderr.write("no end of line yet ")
sys.stderr.flush()
raise SystemExit("the error of the program")
"""
    own = {name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"}
    own["PYTHONPATH"] = os.pathsep.join((str(tmp_path), SOURCE))
    done = subprocess.run([sys.executable, "-c", program], env=own, capture_output=True, text=True, check=False)
    assert done.stderr == "no end of line yet the error of the program\n"
    assert done.returncode == 1
