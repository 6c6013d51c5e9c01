"""A notebook shows progress in one display, results as HTML tables, and each figure once."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbclient
import nbformat
import pytest

import headstart

CELLS = {
    "fit": "import headstart as hs\nrun = hs.fit('table.csv', trial=['linear', 'trees'], folds=0, out='run')",
    "run": "run",
    "evaluation": "evaluation = run.evaluate('table.csv')\nevaluation",
    "plot": "evaluation.plot_roc()",
    "plot beside": "from matplotlib import pyplot\nfigure, axes = pyplot.subplots(1, 2)\nevaluation.plot_roc(axes[0]);",
    "data": "data = hs.read_table('table.csv')\ndata",
    "model": "model = hs.Model('table')\nhistory = model.fit(data)\nmodel",
    "history": "history",
    "quiet": "model.fit(data, progress=False);",
}


@pytest.fixture(scope="module")
def outputs(make_table: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Any]]:
    """The outputs of each cell of a notebook that was run from the first cell to the last."""
    folder = tmp_path_factory.mktemp("notebook")
    make_table(folder / "table.csv", "binary", rows=80)
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in CELLS.values()])
    sources = os.pathsep.join([str(Path(headstart.__file__).parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", sources)
        patch.delenv("TF_CPP_MIN_LOG_LEVEL", raising=False)
        patch.delenv("MPLBACKEND", raising=False)
        nbclient.NotebookClient(book, timeout=300, resources={"metadata": {"path": str(folder)}}).execute()
    return {name: cell.outputs for name, cell in zip(CELLS, book.cells, strict=True)}


def _data(outputs: list[Any], kind: str) -> list[str]:
    return [output["data"][kind] for output in outputs if kind in output.get("data", {})]


def test_fit_shows_progress_in_one_display(outputs: dict[str, list[Any]]) -> None:
    """The lines of the trials stay, and nothing else is written, above all no log of TensorFlow."""
    assert [output["output_type"] for output in outputs["fit"]] == ["display_data"]
    (text,) = _data(outputs["fit"], "text/plain")
    assert text.startswith("80 rows, ")
    assert "table-trees: val_loss " in text
    assert "▸" not in text
    (html,) = _data(outputs["fit"], "text/html")
    assert "table-trees: val_loss " in html


@pytest.mark.parametrize(
    ("name", "words", "text"),
    [
        ("run", ("<th>val_loss</th>", ">table-trees</td>", "accuracy"), "Run('run')"),
        ("evaluation", ("<th>precision</th>", "accuracy"), "Classification("),
        ("data", ("<th>no split</th>", "<td"), "Dataset('table', 80 rows, binary"),
        ("model", (">part_a</td>", ">linear</td>"), "Model(table-linear, fitted on "),
    ],
)
def test_results_are_html_tables_and_short_texts(
    outputs: dict[str, list[Any]], name: str, words: tuple[str, ...], text: str
) -> None:
    """What a cell ends with is shown as a table; as text it is one line."""
    result = next(output for output in outputs[name] if output["output_type"] == "execute_result")
    assert all(word in result["data"]["text/html"] for word in words)
    assert result["data"]["text/plain"].startswith(text)
    assert "\n" not in result["data"]["text/plain"]


@pytest.mark.parametrize("name", ["plot", "plot beside"])
def test_plots_show_exactly_one_picture(outputs: dict[str, list[Any]], name: str) -> None:
    """On axes of its own, and on those that the user gives."""
    assert len(_data(outputs[name], "image/png")) == 1


def test_model_shows_progress_unless_it_is_not_wanted(outputs: dict[str, list[Any]]) -> None:
    """``fit`` leaves one line, and with ``progress=False`` none; its history is short."""
    (text, _) = _data(outputs["model"], "text/plain")
    assert text.startswith("table-linear: val_loss ")
    assert _data(outputs["history"], "text/plain")[0].startswith("History(")
    assert outputs["quiet"] == []
