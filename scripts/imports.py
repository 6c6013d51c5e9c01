"""Check that imports only descend: every module against the list of modules in docs/modules.md.

Usage: python scripts/imports.py

The list names the folders of the package in order, and in each folder its modules in order. A module may import those
listed before it and no others, so that there are no circles. Imports inside functions and for type checking count too.
Exits with 1 and one line a fault if the list and the code do not agree.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Mapping
from pathlib import Path

__all__ = ["APART", "FACADES", "faults", "imported", "modules", "read_list"]

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = "headstart"

# The only packages whose __init__ imports: the public names of Headstart, and those of its callbacks.
FACADES = ("__init__", "training.callbacks")
# Folders that never import one another, although the order would let them: both read what a run holds.
APART = {("report", "doctor"), ("report", "models")}


def read_list(text: str) -> list[str]:
    r"""The dotted names of all modules in order, from the block fenced as ``modules`` in a Markdown text.

    Raises:
        ValueError: There is no such block, a line in it cannot be read, or a module is listed twice.

    Example:
        >>> read_list("```modules\ndata\n  tables.table   a table\n.\n  cli            the command line\n```")
        ['data.tables.table', 'cli']
    """
    block = re.search(r"^```modules\n(.*?)^```$", f"{text}\n", re.MULTILINE | re.DOTALL)
    if not block:
        raise ValueError("no block that is fenced as ```modules")
    found: list[str] = []
    folder: str | None = None
    for line in filter(str.strip, block[1].splitlines()):
        if title := re.fullmatch(r"(\.|\w+)( .*)?", line):
            folder = "" if title[1] == "." else f"{title[1]}."
        elif (row := re.fullmatch(r"  ([\w.]+) +\S.*", line)) and folder is not None and folder + row[1] not in found:
            found.append(folder + row[1])
        else:
            raise ValueError(f"neither a folder nor a module that is listed once: {line!r}")
    return found


def modules(package: Path) -> dict[str, Path]:
    """Source files of a package by dotted name, without the ``__init__.py`` of folders, which import nothing.

    The package's own ``__init__.py`` is called ``__init__``; that of another facade has the name of its folder.
    """
    found = {}
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(package).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)
        if path.name != "__init__.py" or name in FACADES:
            found[name] = path
    return found


def imported(path: Path, known: set[str]) -> set[str]:
    """Names of the package's modules that a source file imports, wherever in the file.

    Args:
        path: The file.
        known: Names of all modules, so that ``from headstart.data import splits`` is told from a name in a module.
    """
    targets: list[str] = []
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            targets += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                raise ValueError(f"{path.name}: a relative import hides where it leads")
            targets += [f"{node.module}.{alias.name}" for alias in node.names]
    return {_module(target, known) for target in targets if target.split(".")[0] == PACKAGE}


def _module(target: str, known: set[str]) -> str:
    """The module that an imported name lives in: the longest part of the name that is one."""
    parts = target.split(".")[1:]
    while parts and ".".join(parts) not in known:
        parts.pop()
    return ".".join(parts) or "__init__"


def faults(listed: list[str], imports: Mapping[str, set[str]]) -> list[str]:
    """Faults, one line each; none if the list and the imports agree.

    Args:
        listed: Names of modules in order.
        imports: For each module there is, the modules that it imports.
    """
    found = [f"{name}: listed, but there is no such module" for name in listed if name not in imports]
    found += [f"{name}: not listed; add it to docs/modules.md" for name in imports if name not in listed]
    places = {name: place for place, name in enumerate(listed)}
    for name, targets in imports.items():
        for target in targets & places.keys():
            if name in places and places[target] >= places[name]:
                found.append(f"{name} imports {target}, which is listed after it")
            elif (name.split(".")[0], target.split(".")[0]) in APART:
                found.append(f"{name} imports {target}: these folders stay apart")
    return sorted(found)


def main() -> int:
    """Print the faults of this checkout; the exit status."""
    listed = read_list((ROOT / "docs" / "modules.md").read_text("utf-8"))
    files = modules(ROOT / "src" / PACKAGE)
    found = faults(listed, {name: imported(path, set(files)) for name, path in files.items()})
    print("\n".join(found) or f"{len(files)} modules, imports descend")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
