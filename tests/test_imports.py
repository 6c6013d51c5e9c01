"""The layout of the code: what may import what, what is heavy, what is public, who prints."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from types import ModuleType

import pytest

import headstart

ROOT = Path(__file__).parents[1]
HEAVY = ("keras", "tensorflow", "openvino", "pandas", "matplotlib", "torch", "jax")


def _script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "scripts" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


imports = _script("imports")
TEXT = (ROOT / "docs" / "modules.md").read_text("utf-8")
LISTED = imports.read_list(TEXT)
PACKAGE = ROOT / "src" / "headstart"
FILES = imports.modules(PACKAGE)
TREES = {name: ast.parse(path.read_text("utf-8")) for name, path in FILES.items()}


def test_imports_descend() -> None:
    """Every module is listed, and imports only those listed before it."""
    found = {name: imports.imported(path, set(FILES)) for name, path in FILES.items()}
    assert imports.faults(LISTED, found) == []


SMALL = imports.read_list("```modules\ndata  text\n  a   one\n  b.c   two\nreport\n  d   three\n.\n  cli   four\n```")
NONE: dict[str, set[str]] = {name: set() for name in SMALL}


def test_list_is_read_in_order_with_folders_before_names() -> None:
    """A dot stands for the package itself."""
    assert SMALL == ["data.a", "data.b.c", "report.d", "cli"]


@pytest.mark.parametrize(("name", "target"), [("data.a", "report.d"), ("data.a", "data.b.c"), ("report.d", "cli")])
def test_import_of_a_later_module_is_a_fault(name: str, target: str) -> None:
    """Whether it leads to a later folder or within one."""
    assert imports.faults(SMALL, NONE | {name: {target}}) == [f"{name} imports {target}, which is listed after it"]


def test_circle_of_imports_is_a_fault() -> None:
    """Whatever its order is, one of its imports leads to a later module; a module that imports itself is one too."""
    circle = {"data.a": {"data.b.c"}, "data.b.c": {"data.a"}}
    assert imports.faults(SMALL, NONE | circle) == ["data.a imports data.b.c, which is listed after it"]
    assert imports.faults(SMALL, NONE | {"cli": {"cli"}}) == ["cli imports cli, which is listed after it"]


@pytest.mark.parametrize(("folder", "other"), sorted(imports.APART))
def test_folders_that_stay_apart(folder: str, other: str) -> None:
    """Although the order would let them import."""
    names = [f"{other}.a", f"{folder}.b"]
    assert imports.faults(names, {names[0]: set(), names[1]: {names[0]}}) == [
        f"{names[1]} imports {names[0]}: these folders stay apart"
    ]


def test_imports_of_earlier_modules_pass() -> None:
    """Of any folder."""
    assert imports.faults(SMALL, NONE | {"data.b.c": {"data.a"}, "cli": {"data.a", "report.d"}}) == []


def test_list_and_code_name_the_same_modules() -> None:
    """A module that is not listed and a line without a module are faults."""
    assert imports.faults(["a", "b"], {"a": set(), "c": set()}) == [
        "b: listed, but there is no such module",
        "c: not listed; add it to docs/modules.md",
    ]


@pytest.mark.parametrize(
    "text", ["", "```modules\n  a   no folder\n```", "```modules\ndata\n  a   x\n  a   x\n```", "```modules\ndata\n  a\n```"]
)
def test_list_that_cannot_be_read_is_rejected(text: str) -> None:
    """No list, a module before the first folder, one that is listed twice, and one without a word on it."""
    with pytest.raises(ValueError, match=r"no block|neither a folder"):
        imports.read_list(text)


def test_imports_are_found_wherever_they_stand(tmp_path: Path) -> None:
    """Imports in functions, for type checking, of modules and of names count; other packages do not."""
    path = tmp_path / "module.py"
    path.write_text(
        "import numpy, headstart.a\nfrom headstart import __version__\n"
        "if TYPE_CHECKING:\n    from headstart.b import Name\ndef f():\n    from headstart import c\n"
    )
    assert imports.imported(path, {"a", "b", "c"}) == {"a", "b", "c", "__init__"}
    path.write_text("from . import a\n")
    with pytest.raises(ValueError, match="relative"):
        imports.imported(path, {"a"})


@pytest.mark.parametrize("path", sorted({path.parent for path in FILES.values()} - {PACKAGE}), ids=lambda path: path.name)
def test_folders_say_what_they_turn_into_what_and_import_nothing(path: Path) -> None:
    """All but the facades are a docstring."""
    init = path / "__init__.py"
    tree = ast.parse(init.read_text("utf-8"))
    assert ast.get_docstring(tree)
    if ".".join(path.relative_to(PACKAGE).parts) not in imports.FACADES:
        assert len(tree.body) == 1


@pytest.mark.parametrize("name", [name for name in LISTED if "." in name])
def test_only_doors_print(name: str) -> None:
    """Below the doors nothing prints and nothing knows the command line."""
    assert "print" not in {
        node.func.id for node in ast.walk(TREES[name]) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    shown = "typer|click" if name == "foundation.progress_display" else "typer|rich|click"  # as ``Model.fit`` shows it
    assert not re.search(rf"^\s*(import|from) ({shown})\b", FILES[name].read_text("utf-8"), re.MULTILINE)


@pytest.mark.parametrize(
    "command",
    ["import headstart", "import headstart; dir(headstart)", "from headstart.cli import main; main(['--help'])"]
    + [f"from headstart.cli import main; main(['{name}', '--help'])" for name in ("fit", "leaderboard", "predict")],
)
def test_import_and_help_are_light(command: str) -> None:
    """Neither importing the package nor asking for help loads a heavy package."""
    code = (
        "import atexit, sys\n"
        f"atexit.register(lambda: sys.stderr.write(' '.join(n for n in {HEAVY!r} if n in sys.modules)))\n{command}\n"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_tools_for_development_are_the_same_as_an_extra_and_as_groups() -> None:
    """``pip install -e '.[dev]'`` and ``--group dev`` install the same; neither can refer to the other."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    groups = project["dependency-groups"]
    assert groups["dev"] == [{"include-group": "test"}, {"include-group": "lint"}]
    assert sorted(groups["test"] + groups["lint"]) == sorted(project["project"]["optional-dependencies"]["dev"])


def covered_by(text: str) -> dict[str, str]:
    """For each module in the list, the test file that it stands under."""
    found: dict[str, str] = {}
    file = ""
    for line in filter(None, text.splitlines()):
        if line.startswith("  "):
            found[line.strip()] = file
        elif not line.startswith("#"):
            file = line
    return found


def test_every_module_has_a_test_file_of_its_name_or_one_that_is_named() -> None:
    """``covered_by.txt`` lists the others, and no module that has a file of its own or is not there any more."""
    tests = ROOT / "tests"
    listed = covered_by((tests / "covered_by.txt").read_text("utf-8"))
    own = {name: tests.joinpath(*name.split(".")[:-1], f"test_{name.split('.')[-1]}.py") for name in FILES}
    without = {name for name, file in own.items() if not file.exists()} - {"__init__", "foundation.arrays"}  # no logic
    assert set(listed) == without
    assert [file for file in listed.values() if not (tests / file).is_file()] == []


def test_public_names_are_those_promised() -> None:
    """``__all__`` is what ARCHITECTURE.md promises, sorted, and every name in it can be had."""
    promised = re.search(r"^```public\n(.*?)^```$", (ROOT / "ARCHITECTURE.md").read_text("utf-8"), re.MULTILINE | re.DOTALL)
    assert promised is not None
    assert sorted(headstart.__all__) == sorted(promised[1].split())
    assert dir(headstart) == sorted(headstart.__all__)
    assert all(getattr(headstart, name) is not None for name in headstart.__all__)


def test_name_that_is_not_there() -> None:
    """A wrong name is an ordinary AttributeError that names it."""
    with pytest.raises(AttributeError, match="no attribute 'Modell'"):
        headstart.Modell  # noqa: B018


@pytest.mark.parametrize("name", [name for name in FILES if name != "__init__"])
def test_all_of_a_module_resolves(name: str) -> None:
    """What a module lists as public is there."""
    module = importlib.import_module(f"headstart.{name}")
    assert [entry for entry in module.__all__ if not hasattr(module, entry)] == []
