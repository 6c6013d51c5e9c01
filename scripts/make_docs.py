"""Write the pages of docs/ that follow from the source: the commands, the errors and the findings.

Usage: python scripts/make_docs.py [--check]

With ``--check`` nothing is written; the exit status is 1 if a page is not what it would be made to be.
"""

from __future__ import annotations

import ast
import os
import re
import sys
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

__all__ = ["Site", "cli_page", "errors_page", "findings_page", "sites"]

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "src" / "headstart"
WIDTH = 100  # characters of a line of help
HOLE = "…"  # what is only known when the program runs
FINDING = ("code", "title", "severity", "measured", "why", "advice")


@dataclass(frozen=True)
class Site:
    """A place in the source where an error or a finding is made, with the texts that stand there.

    Attributes:
        file: Name of the file.
        line: Line in it.
        kind: The class.
        texts: By field; several where the text is an argument of a small function that is called from several places.
    """

    file: str
    line: int
    kind: str
    texts: dict[str, tuple[str, ...]]

    def known(self, field: str) -> tuple[str, ...]:
        """The texts of a field, without those that are known only when the program runs."""
        return tuple(text for text in self.texts.get(field, ()) if text != HOLE)

    def one(self, field: str) -> str:
        """The only text of a field.

        Raises:
            ValueError: There is none, there are several, or it is known only when the program runs.
        """
        found = self.texts.get(field, ())
        if len(found) != 1 or found[0] == HOLE:
            raise ValueError(f"{self.file}:{self.line}: {self.kind} needs one {field} that can be read in the source")
        return found[0]


def sites(tree: ast.Module, kinds: dict[str, tuple[str, ...]], name: str) -> Iterator[Site]:
    """Every call that makes one of ``kinds``.

    Args:
        tree: A module.
        kinds: Names of classes, each with the names of its positional arguments.
        name: The module's file name, to say where a site is.
    """
    owners: list[ast.FunctionDef | None] = [None, *(n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef))]
    inner = {id(n) for owner in owners if owner for child in owner.body for n in ast.walk(child)}
    for owner in owners:
        for node in ast.walk(owner) if owner else (n for n in ast.walk(tree) if id(n) not in inner):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in kinds:
                given = dict(zip(kinds[node.func.id], node.args, strict=False))
                given |= {keyword.arg: keyword.value for keyword in node.keywords if keyword.arg}
                texts = {field: _texts(value, owner, tree) for field, value in given.items()}
                yield Site(name, node.lineno, node.func.id, texts)


def _texts(value: ast.expr, owner: ast.FunctionDef | None, tree: ast.Module) -> tuple[str, ...]:
    """Texts that an expression can have; for a parameter of a private function, those that its callers here pass."""
    if isinstance(value, ast.IfExp):
        return tuple(dict.fromkeys((*_texts(value.body, owner, tree), *_texts(value.orelse, owner, tree))))
    if isinstance(value, ast.Name) and owner is not None and owner.name.startswith("_"):
        names = [argument.arg for argument in owner.args.args]
        if value.id in names:
            calls = [n for n in ast.walk(tree) if isinstance(n, ast.Call) and getattr(n.func, "id", "") == owner.name]
            passed = [dict(zip_longest(names, call.args))[value.id] for call in calls]
            return tuple(dict.fromkeys(_text(argument) for argument in passed if argument is not None))
    return (_text(value),)


def _text(value: ast.expr) -> str:
    if isinstance(value, ast.Constant):
        return str(value.value)
    if isinstance(value, ast.JoinedStr):
        text = "".join(str(part.value) if isinstance(part, ast.Constant) else HOLE for part in value.values)
    elif isinstance(value, ast.BinOp) and isinstance(value.op, ast.Add):
        text = _text(value.left) + _text(value.right)
    else:
        text = HOLE
    return re.sub(f"{HOLE}(?:{HOLE})+", HOLE, text)


def errors_page(modules: dict[str, ast.Module], kinds: list[str]) -> str:
    """The page of errors, by code.

    Args:
        modules: Modules by file name.
        kinds: Names of the error classes.

    Raises:
        ValueError: A code or a title cannot be read in the source, or a code stands for two titles or two classes.
    """
    by_code: dict[str, list[Site]] = defaultdict(list)
    arguments: dict[str, tuple[str, ...]] = dict.fromkeys(kinds, ("code", "title"))
    for name, tree in modules.items():
        for site in sorted(sites(tree, arguments, name), key=lambda site: site.line):
            by_code[site.one("code")].append(site)
    lines = [
        "# Errors",
        "",
        "Every error has a stable code and says in three lines what was received, what was expected and what to do.",
        f"On the command line it ends the program with exit status 2. {HOLE} stands for what the message itself names.",
    ]
    several = [
        f"{code} stands for several errors:\n"
        + "\n".join(f"  {site.file}:{site.line} {site.kind}: {' | '.join(site.texts['title'])}" for site in found)
        for code, found in sorted(by_code.items())
        if len({(site.kind, site.texts["title"]) for site in found}) > 1
    ]
    if several:
        raise ValueError("\n".join(several))
    for code, found in sorted(by_code.items()):
        lines += ["", f"## {code}: {_escaped(found[0].one('title'))}", "", f"`{found[0].kind}`", ""]
        told = dict.fromkeys((site.known("expected"), site.known("advice")) for site in found)
        for expected, advice in told:
            lines += [f"- **expected**: {_escaped(text)}" for text in expected]
            lines += [f"- **do this**: {_escaped(text)}" for text in advice]
    return _page(lines)


def findings_page(modules: dict[str, ast.Module]) -> str:
    """The page of findings, by code.

    Args:
        modules: Modules by file name.

    Raises:
        ValueError: A text cannot be read in the source, or a code is used twice.
    """
    found = [site for name, tree in modules.items() for site in sites(tree, {"Finding": FINDING}, name)]
    codes = [site.one("code") for site in found]
    if twice := sorted({code for code in codes if codes.count(code) > 1}):
        raise ValueError(f"used for two findings: {', '.join(twice)}")
    lines = [
        "# Findings",
        "",
        "What the doctor looks for. A finding never stops a run; it stands in `findings.json`, in the report and at",
        f"the end of `fit`, with the numbers that it rests on. {HOLE} stands for such a number.",
    ]
    for site in sorted(found, key=lambda site: site.one("code")):
        why, advice = _escaped(site.one("why")), _escaped(site.one("advice"))
        lines += ["", f"## {site.one('code')}: {_escaped(' / '.join(site.texts['title']))}", ""]
        lines += [f"*{site.one('severity')}*. {why}", "", f"**Do this**: {advice}"]
    return _page(lines)


def cli_page() -> str:
    """The page of commands: what ``--help`` prints, without frames and colour, at a fixed width."""
    import typer
    from typer.testing import CliRunner

    from headstart.commands import app

    app.rich_markup_mode = None
    commands = [[], *([name] for name in sorted(typer.main.get_command(app).commands))]  # type: ignore[attr-defined]
    lines = [
        "# The command line",
        "",
        "Progress and messages go to standard error, results to standard output. Exit status: 0 done, 1 a file could",
        "not be read or a run failed, 2 a mistake in the input, 130 interrupted (the best so far is kept).",
    ]
    for command in commands:
        shown = " ".join(["headstart", *command])
        result = CliRunner().invoke(app, [*command, "--help"], prog_name="headstart", terminal_width=WIDTH, color=False)
        if result.exit_code:
            raise ValueError(f"{shown} --help ends with {result.exit_code}: {result.output}")
        text = [line.rstrip() for line in result.output.strip().splitlines()]
        lines += ["", f"## {shown}", "", "```text", *text, "```"]
    return _page(lines)


def _escaped(text: str) -> str:
    """Text that Markdown shows as it is: no tags, no emphasis."""
    return re.sub(r"([\\*<>\[\]])", r"\\\1", text)


def _page(lines: list[str]) -> str:
    note = "<!-- Made from the source by scripts/make_docs.py; edit the source and run it again. -->"
    return "\n".join([lines[0], "", note, *lines[1:], ""])


def _pages() -> dict[Path, str]:
    paths = sorted(SOURCE.rglob("*.py"))
    modules = {path.relative_to(SOURCE).as_posix(): ast.parse(path.read_text("utf-8")) for path in paths}
    classes = [node for node in modules["foundation/errors.py"].body if isinstance(node, ast.ClassDef)]
    docs = ROOT / "docs"
    return {
        docs / "cli.md": cli_page(),
        docs / "errors.md": errors_page(modules, [node.name for node in classes]),
        docs / "findings.md": findings_page(modules),
    }


def main(arguments: list[str]) -> int:
    """Write the pages, or compare them; the exit status."""
    os.environ |= {"COLUMNS": str(WIDTH), "NO_COLOR": "1", "TERM": "dumb"}
    try:
        pages = _pages()
    except ValueError as error:
        print(error)
        return 1
    stale = [path for path, text in pages.items() if not path.is_file() or path.read_text("utf-8") != text]
    if "--check" not in arguments:
        for path in stale:
            path.parent.mkdir(exist_ok=True)
            path.write_text(pages[path], "utf-8")
    elif stale:
        names = ", ".join(path.relative_to(ROOT).as_posix() for path in stale)
        print(f"not up to date: {names}; run python scripts/make_docs.py")
        return 1
    print(f"{len(pages)} pages, {len(stale)} written" if stale else f"{len(pages)} pages are up to date")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
