"""The programs in the README.md of an export folder, run as a user would: in a process of its own, without Headstart."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import forked
from headstart.export.readme import USAGES

# Headstart cannot be imported, whatever is installed here; all else is as in a shell, in the folder of the exports.
_ALONE = (
    "import runpy, sys; sys.modules['headstart'] = None; sys.argv = sys.argv[1:]; "
    "runpy.run_path(sys.argv[0], run_name='__main__')"
)


def program_in(folder: Path, name: str) -> str:
    """The code block of a format, letter by letter."""
    _, section = (folder / "README.md").read_text("utf-8").split(f"## {USAGES[name].title}\n", 1)
    found = re.search(r"```python\n(.*?)```", section, re.DOTALL)
    assert found is not None
    return found[1]


def run_program(folder: Path, name: str, arguments: Sequence[object], scratch: Path) -> list[dict[str, Any]]:
    """What the program of a format prints for these arguments."""
    script = scratch / f"predict_{name}.py"
    script.write_text(program_in(folder, name), encoding="utf-8")
    environment = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "KERAS_BACKEND")}
    environment |= {"PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}  # as if the script lay in the folder
    command = [sys.executable, "-c", _ALONE, str(script), *map(str, arguments)]
    done = forked.run(command, cwd=folder, env=environment)
    assert done.returncode == 0, done.stderr[-2000:]
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
