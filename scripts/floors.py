"""Check that imports only descend: every module against the list of floors in ARCHITECTURE.md.

Usage: python scripts/floors.py

A module may import modules of lower floors, and those above it in its own floor's list. Imports inside functions and
for type checking count too. Exits with 1 and one line a fault if the list and the code do not agree.
"""

from __future__ import annotations

import ast
import re
import sys
from dataclasses import dataclass
from pathlib import Path

__all__ = ["EXCEPTIONS", "Module", "faults", "imported", "modules", "read_floors"]

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = "headstart"

# Imports that climb, each with the reason why it may. One that nobody makes any more is a fault as well.
EXCEPTIONS: dict[tuple[str, str], str] = {}
# Modules of this floor do not import one another: each reads the run folder or a model, and none needs what another
# makes. A package may import its own parts.
APART = 5


@dataclass(frozen=True)
class Module:
    """One line of the list.

    Attributes:
        name: Dotted name below the package; ``__init__`` is the package itself.
        floor: Number of its floor.
        word: Name of its floor: the first words of its docstring.
        rank: Place in the whole list, from the ground up.
    """

    name: str
    floor: int
    word: str
    rank: int


def read_floors(text: str) -> dict[str, Module]:
    r"""The modules by name, from the block fenced as ``floors`` in a Markdown text.

    Raises:
        ValueError: There is no such block, a line in it cannot be read, or a module is listed twice.

    Example:
        >>> text = "```floors\n0 Ground\n  errors   what went wrong\n1 Part A\n  store   rows on disk\n```"
        >>> [(m.name, m.floor, m.word) for m in read_floors(text).values()]
        [('errors', 0, 'Ground'), ('store', 1, 'Part A')]
    """
    block = re.search(r"^```floors\n(.*?)^```$", f"{text}\n", re.MULTILINE | re.DOTALL)
    if not block:
        raise ValueError("no block that is fenced as ```floors")
    found: dict[str, Module] = {}
    floor, word = -1, ""
    for line in filter(str.strip, block[1].splitlines()):
        if title := re.fullmatch(r"(\d) (\S.*)", line):
            floor, word = int(title[1]), title[2]
        elif (row := re.fullmatch(r"  ([\w.]+) +\S.*", line)) and floor >= 0 and row[1] not in found:
            found[row[1]] = Module(row[1], floor, word, len(found))
        else:
            raise ValueError(f"not a floor, nor a module that is listed once: {line!r}")
    return found


def modules(package: Path) -> dict[str, Path]:
    """The source files of a package by dotted name; a package's own name stands for its ``__init__.py``."""
    found = {}
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(package).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)] = path
    return found


def imported(path: Path, known: set[str]) -> set[str]:
    """Names of the package's modules that a source file imports, wherever in the file.

    Args:
        path: The file.
        known: Names of all modules, so that ``from headstart import pixels`` is told from a name of the package itself.
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


def faults(floors: dict[str, Module], imports: dict[str, set[str]], exceptions: dict[tuple[str, str], str]) -> list[str]:
    """What is wrong, one line each; nothing if the list and the imports agree.

    Args:
        floors: The list.
        imports: For each module there is, the modules that it imports.
        exceptions: Pairs of importing and imported module that are let through, with the reason.
    """
    found = [f"{name}: listed, but there is no such module" for name in floors.keys() - imports.keys()]
    found += [f"{name}: on no floor; add it to ARCHITECTURE.md" for name in imports.keys() - floors.keys()]
    climbing = set()
    for name, targets in imports.items():
        for target in targets:
            if name not in floors or target not in floors:
                continue
            if reason := _fault(floors[name], floors[target]):
                climbing.add((name, target))
                if (name, target) not in exceptions:
                    found.append(f"{name} imports {target}: {reason}")
    found += [f"{a} imports {b}: an exception that is no longer needed" for a, b in exceptions.keys() - climbing]
    return sorted(found)


def _fault(module: Module, target: Module) -> str:
    if module.floor < target.floor:
        return f"floor {module.floor} climbs to floor {target.floor}"
    if module.rank <= target.rank:
        return f"below it in the list of floor {module.floor}"
    if module.floor == target.floor == APART and module.name.split(".")[0] != target.name.split(".")[0]:
        return f"modules of floor {APART} do not import one another"
    return ""


def main() -> int:
    """Print the faults of this checkout; the exit status."""
    floors = read_floors((ROOT / "ARCHITECTURE.md").read_text("utf-8"))
    files = modules(ROOT / "src" / PACKAGE)
    found = faults(floors, {name: imported(path, set(files)) for name, path in files.items()}, EXCEPTIONS)
    print("\n".join(found) or f"{len(files)} modules on {len({m.floor for m in floors.values()})} floors, imports descend")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
