"""The layout of the code: what may import what, what is heavy, what is public, who prints."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import os
import re
import subprocess
import sys
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


floors = _script("floors")
TEXT = (ROOT / "ARCHITECTURE.md").read_text("utf-8")
LISTED = floors.read_floors(TEXT)
FILES = floors.modules(ROOT / "src" / "headstart")
TREES = {name: ast.parse(path.read_text("utf-8")) for name, path in FILES.items()}


def test_imports_descend() -> None:
    """Every module is on a floor, and no import climbs but those excepted with a reason."""
    imports = {name: floors.imported(path, set(FILES)) for name, path in FILES.items()}
    assert floors.faults(LISTED, imports, floors.EXCEPTIONS) == []


SMALL = floors.read_floors(
    "```floors\n0 Ground\n  a   one\n  b   two\n5 Artefacts\n  c   three\n  d   four\n  d.e   five\n```"
)
NONE: dict[str, set[str]] = {name: set() for name in SMALL}


@pytest.mark.parametrize(
    ("name", "target", "fault"),
    [
        ("a", "c", "floor 0 climbs to floor 5"),
        ("a", "b", "below it in the list of floor 0"),
        ("d", "c", "modules of floor 5 do not import one another"),
        ("d", "d.e", "below it in the list of floor 5"),
    ],
)
def test_import_that_climbs_is_named(name: str, target: str, fault: str) -> None:
    """An import upwards, downwards in a list, or across the artefacts is a fault, and an exception lets it through."""
    imports = NONE | {name: {target}}
    assert floors.faults(SMALL, imports, {}) == [f"{name} imports {target}: {fault}"]
    assert floors.faults(SMALL, imports, {(name, target): "because"}) == []


def test_import_that_descends_is_let_through() -> None:
    """Lower floors, modules above in the same list, and parts of the same package may be imported."""
    assert floors.faults(SMALL, NONE | {"b": {"a"}, "c": {"a", "b"}, "d.e": {"d"}}, {}) == []


def test_list_and_code_name_the_same_modules() -> None:
    """A module without a floor, a line without a module, and an exception that nobody needs are faults."""
    found = floors.faults(SMALL, {"a": set(), "b": set(), "c": set(), "d": set(), "f": set()}, {("a", "c"): "because"})
    assert found == [
        "a imports c: an exception that is no longer needed",
        "d.e: listed, but there is no such module",
        "f: on no floor; add it to ARCHITECTURE.md",
    ]


@pytest.mark.parametrize("text", ["", "```floors\n  a   no floor\n```", "```floors\n0 A\n  a   x\n  a   x\n```"])
def test_list_that_cannot_be_read_is_refused(text: str) -> None:
    """No list, a module before the first floor, and a module listed twice stop the check."""
    with pytest.raises(ValueError, match="no"):
        floors.read_floors(text)


def test_imports_are_found_wherever_they_stand(tmp_path: Path) -> None:
    """Imports in functions, for type checking, of modules and of names count; other packages do not."""
    path = tmp_path / "module.py"
    path.write_text(
        "import numpy, headstart.a\nfrom headstart import __version__\n"
        "if TYPE_CHECKING:\n    from headstart.b import Name\ndef f():\n    from headstart import c\n"
    )
    assert floors.imported(path, {"a", "b", "c"}) == {"a", "b", "c", "__init__"}
    path.write_text("from . import a\n")
    with pytest.raises(ValueError, match="relative"):
        floors.imported(path, {"a"})


@pytest.mark.parametrize("name", [name for name in FILES if name != "__init__"])  # that one speaks to users
def test_first_line_names_the_floor(name: str) -> None:
    """The docstring of a module starts with the name of its floor."""
    docstring = ast.get_docstring(TREES[name]) or ""
    assert docstring.startswith((f"{LISTED[name].word}:", f"{LISTED[name].word},"))


@pytest.mark.parametrize("name", [name for name, module in LISTED.items() if module.floor < 7])
def test_only_doors_print(name: str) -> None:
    """Below the doors nothing prints and nothing knows the command line."""
    assert "print" not in {
        node.func.id for node in ast.walk(TREES[name]) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    assert not re.search(r"^\s*(import|from) (typer|rich|click)\b", FILES[name].read_text("utf-8"), re.MULTILINE)


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


def test_public_names_are_those_promised() -> None:
    """``__all__`` is what ARCHITECTURE.md promises, sorted, and every name in it can be had."""
    promised = re.search(r"^```public\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
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
