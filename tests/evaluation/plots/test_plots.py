"""Figures are complete, harmless and reproducible, whatever the classes are called."""

from __future__ import annotations

import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headstart.evaluation.classification import Classification
from headstart.evaluation.evaluate import evaluate_predictions
from headstart.evaluation.multilabel import MultiLabel
from headstart.evaluation.plots.axes import PALETTE, label, new_axes
from headstart.evaluation.plots.classification import draw_confusion, draw_label_confusions, most_mistaken
from headstart.evaluation.plots.regression import draw_residuals, draw_scatter
from headstart.evaluation.plots.svg import save_svg
from headstart.evaluation.plots.trials import TrialPoint, draw_leaderboard, draw_loss
from headstart.evaluation.regression import Regression

HOSTILE = (
    "<script>alert(1)</script>",
    "$x$ and $",
    "two\nlines",
    "x" * 200,
    "한국어 이름",
    "a & \"b\" 'c'",
    "\udcff",
    "🙂",
)
POINTS = [
    TrialPoint("lite0-linear", 3.0, 0.8, True),
    TrialPoint("$lite1$ <mlp>", 240.0, 0.5, True),
    TrialPoint("scratch", 400.0, 1.5, False),
]


def evaluation(num_classes: int, n: int = 120, names: tuple[str, ...] = ()) -> Classification:
    """Evaluation of a fairly good classifier."""
    rng = np.random.default_rng(1)
    labels = rng.integers(0, num_classes, n)
    scores = rng.normal(size=(n, num_classes)) + 2.0 * np.eye(num_classes)[labels]
    rows = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    classes = names or tuple(f"class {k}" for k in range(num_classes))
    result = evaluate_predictions("binary" if num_classes == 2 else "multiclass", classes, labels, rows, split="test")
    assert isinstance(result, Classification)
    return result


def labelled(names: tuple[str, ...], n: int = 120) -> MultiLabel:
    """Evaluation of a fairly good multi-label model."""
    rng = np.random.default_rng(2)
    labels = (rng.random((n, len(names))) < 0.4).astype(int)
    rows = np.clip(0.3 * labels + 0.7 * rng.random(labels.shape), 0, 1)
    result = evaluate_predictions("multilabel", names, labels, rows, split="test")
    assert isinstance(result, MultiLabel)
    return result


def valued(names: tuple[str, ...] = ("price",), n: int = 120) -> Regression:
    """Evaluation of a fairly good regression model."""
    rng = np.random.default_rng(3)
    truth = rng.normal(size=(n, len(names)))
    result = evaluate_predictions("regression", names, truth, truth + 0.3 * rng.normal(size=truth.shape), split="test")
    assert isinstance(result, Regression)
    return result


def texts(svg: str) -> list[str]:
    """All texts of a figure, which must parse as XML."""
    root = ET.fromstring(svg)
    return ["".join(element.itertext()) for element in root.iter("{http://www.w3.org/2000/svg}text")]


def drawings() -> list[tuple[str, Callable[[Any], Any]]]:
    """One figure of each kind, with hostile names."""
    many = evaluation(len(HOSTILE), names=HOSTILE)
    history = [{"epoch": e, "loss": 9.0 / e**2, "val_loss": 9.0 / e} for e in range(1, 12)]
    return [
        ("roc", many.plot_roc),
        ("binary", evaluation(2, names=HOSTILE[:2]).plot_roc),
        ("confusion", lambda ax: draw_confusion(ax, many.confusion_matrix, HOSTILE)),
        ("labels", labelled(HOSTILE).plot_roc),
        ("label confusions", lambda ax: draw_label_confusions(ax, labelled(HOSTILE).confusion_matrices)),
        ("scatter", lambda ax: draw_scatter(ax, *valued().target())),
        ("residuals", lambda ax: draw_residuals(ax, *valued().target())),
        ("loss", lambda ax: draw_loss(ax, history)),
        ("leaderboard", lambda ax: draw_leaderboard(ax, POINTS)),
    ]


@pytest.mark.parametrize(("name", "draw"), drawings(), ids=lambda value: value if isinstance(value, str) else "")
def test_svg_is_harmless_and_reproducible(tmp_path: Path, name: str, draw: Callable[[Any], Any]) -> None:
    """Equal input gives equal bytes without scripts, external addresses or dates; text takes the page's colour."""
    first = save_svg(draw, tmp_path / f"{name}.svg", (4.0, 4.0), title='a <b> & "c"')
    again = save_svg(draw, tmp_path / "other" / f"{name}.svg", (4.0, 4.0), title='a <b> & "c"')
    assert first == again == (tmp_path / f"{name}.svg").read_text("utf-8")
    assert first.startswith("<svg ")
    ET.fromstring(first)
    assert not re.search(r"<script|<metadata|<!DOCTYPE|\bon\w+=", first)
    assert not re.search(r"""(href|src)=["'](?!#|data:image/png;base64)|url\((?!#)""", first)
    assert "currentColor" in first
    assert "#000000" not in first


def test_svg_shows_names_as_they_are_written(tmp_path: Path) -> None:
    """A class called $x$ is not a formula, markup is text, a line break is escaped, and a long name is shortened."""
    matrix = np.eye(len(HOSTILE), dtype=int)
    shown = texts(save_svg(lambda ax: draw_confusion(ax, matrix, HOSTILE), tmp_path / "c.svg", (5.0, 5.0)))
    for name in ("$x$ and $", r"two\nlines", "한국어 이름", r"\udcff", "x" * 17 + "…"):
        assert name in shown
    assert any(name.startswith("<script>") for name in shown)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.text(st.characters(), max_size=60), min_size=2, max_size=4, unique=True))
def test_svg_is_valid_xml_for_any_name(tmp_path: Path, names: list[str]) -> None:
    """Whatever the class names, the file is valid XML and nothing warns."""
    matrix = np.ones((len(names), len(names)), dtype=int)
    ET.fromstring(save_svg(lambda ax: draw_confusion(ax, matrix, names), tmp_path / "c.svg", (3.0, 3.0), names[0]))


@given(st.text(st.characters(), max_size=80), st.integers(2, 40))
def test_label_is_printable_and_short(text: str, cells: int) -> None:
    """A label is printable and has at most as many characters as it may have columns."""
    assert label(text, cells).isprintable()
    assert len(label(text, cells)) <= cells


@pytest.mark.parametrize("num_classes", [2, 12, 13, 20, 21, 136])
def test_any_number_of_classes_can_be_drawn(num_classes: int) -> None:
    """Counts are written up to 20 classes, single ROC curves are drawn up to 12."""
    result = evaluation(num_classes)
    matrix = result.plot_confusion()
    assert len(matrix.texts) == (num_classes**2 if num_classes <= 20 else 0)
    curves = [line for line in result.plot_roc().get_lines() if not str(line.get_label()).startswith("_")]
    assert len(curves) == (2 if num_classes == 2 or num_classes > 12 else num_classes + 2)


def test_plots_draw_on_given_axes_and_return_them() -> None:
    """Axes of the caller are used, and pyplot is never imported."""
    ax = new_axes()
    assert evaluation(3).plot_roc(ax) is ax
    assert evaluation(3).plot_confusion(new_axes()) is not ax


def test_roc_of_an_undefined_area_is_not_drawn() -> None:
    """A class without a defined area has no curve, and nothing warns."""
    rows = np.array([[0.9, 0.1], [0.4, 0.6]])
    for task, classes, table in (("binary", "ab", rows), ("multiclass", "abc", np.c_[rows, [0.0, 0.0]])):
        result = evaluate_predictions(task, list(classes), np.array([0, 0]), table, split="test")
        assert result.plot_roc() is not None


@pytest.mark.parametrize("num_labels", [1, 2, 5, 12, 14])
def test_any_number_of_labels_can_be_drawn(num_labels: int) -> None:
    """Each of at most 12 labels has four counts and a name; single ROC curves are drawn up to 12."""
    result = labelled(tuple(f"label {k}" for k in range(num_labels)))
    drawn = min(num_labels, 12)
    texts = [text.get_text() for text in result.plot_confusion().texts]
    assert len(texts) == 5 * drawn + 2 * -(-drawn // 4) + 2 * min(drawn, 4)
    curves = [line for line in result.plot_roc().get_lines() if not str(line.get_label()).startswith("_")]
    assert len(curves) == (2 if num_labels > 12 else num_labels + 2)


def test_most_mistaken_keeps_the_labels_with_the_most_mistakes() -> None:
    """Labels with the most wrong predictions are kept, in their own order."""
    matrices = {name: np.array([[9, wrong], [0, 1]]) for name, wrong in (("a", 1), ("b", 5), ("c", 3))}
    assert most_mistaken(matrices, 2) == ["b", "c"]


def test_roc_of_constant_labels_is_only_the_diagonal() -> None:
    """If no label has both positives and negatives, only the diagonal is drawn."""
    result = evaluate_predictions("multilabel", ["a"], np.array([[1], [1]]), np.array([[0.4], [0.9]]), split="test")
    assert isinstance(result, MultiLabel)
    assert len(result.plot_roc().get_lines()) == 1


def test_scatter_and_residuals_draw_one_target() -> None:
    """The first target is drawn unless another is named; axes of the caller are used."""
    result, ax = valued(("price", "area")), new_axes()
    assert result.plot_scatter(ax) is ax
    x, y = result.plot_scatter(target="area").get_lines()[1].get_data()
    assert (np.asarray(x) == result.labels[:, 1]).all()
    assert (np.asarray(y) == result.answers[:, 1]).all()
    assert result.plot_residuals(target="area").get_ylabel() == "residual: predicted − true"


def test_scatter_draws_a_fixed_sample_of_many_values() -> None:
    """At most 2000 points are drawn, the same ones every time."""
    rng = np.random.default_rng(0)
    truth, answers = rng.normal(size=(2, 3000))
    first, second = (draw_scatter(new_axes(), truth, answers).get_lines()[1].get_xdata() for _ in range(2))
    assert len(np.asarray(first)) == 2000
    assert (np.asarray(first) == np.asarray(second)).all()


def test_scatter_of_wide_truths_is_logarithmic() -> None:
    """Axes are logarithmic for positive true values beyond a factor of 1000; predictions up to 0 are at the lower edge."""
    truth = np.array([1.0, 10.0, 5000.0])
    ax = draw_scatter(new_axes(), truth, np.array([2.0, -1.0, 4000.0]))
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")
    assert "predicted 0 or less" in [str(line.get_label()) for line in ax.get_lines()]
    assert draw_scatter(new_axes(), truth - 1, truth).get_xscale() == "linear"
    assert draw_scatter(new_axes(), np.array([1.0, 900.0]), np.array([1.0, 1.0])).get_xscale() == "linear"


@pytest.mark.parametrize("value", [0.0, 7.0, -1e20, 1e-300])
def test_single_value_can_be_drawn(tmp_path: Path, value: float) -> None:
    """One sample, or constant true values, are drawn without a warning."""
    one = np.array([value])
    for name, draw in (("s", draw_scatter), ("r", draw_residuals)):
        ET.fromstring(save_svg(lambda ax, draw=draw: draw(ax, one, one), tmp_path / f"{name}.svg", (4.0, 3.0)))


def test_loss_axis_is_logarithmic_beyond_a_factor_of_20() -> None:
    """The axis is logarithmic beyond a factor of 20, and linear below it or if a loss is not positive."""
    wide = [{"epoch": e, "loss": 100.0 / 3**e, "val_loss": 1.0} for e in range(6)]
    assert draw_loss(new_axes(), wide).get_yscale() == "log"
    assert draw_loss(new_axes(), wide[-2:]).get_yscale() == "linear"
    assert draw_loss(new_axes(), [*wide, {"epoch": 7, "loss": 0.0, "val_loss": 1.0}]).get_yscale() == "linear"


@pytest.mark.parametrize("history", [[], [{"epoch": 1.0, "loss": 1.0}], [{"val_loss": None}, {"val_loss": float("inf")}]])
def test_loss_curve_with_gaps_is_drawn(tmp_path: Path, history: list[dict[str, float | None]]) -> None:
    """Missing columns, None and infinity leave gaps."""
    ET.fromstring(save_svg(lambda ax: draw_loss(ax, history), tmp_path / "h.svg", (4.0, 3.0)))


def test_loss_curve_names_the_best_epoch() -> None:
    """The epoch with the lowest validation loss is in the legend."""
    history = [{"epoch": e, "loss": 1.0, "val_loss": v} for e, v in ((1, 0.9), (2, 0.4), (3, 0.6))]
    assert "best 0.400, epoch 2" in [str(line.get_label()) for line in draw_loss(new_axes(), history).get_lines()]


@pytest.mark.parametrize("points", [[], POINTS[:1], POINTS, POINTS * 10])
def test_any_number_of_trials_can_be_drawn(points: list[TrialPoint]) -> None:
    """No trial, one trial and thirty trials on the same spots are drawn; names without room are left out."""
    assert len(draw_leaderboard(new_axes(), points).texts) <= len(points)


def test_palette_is_readable_on_light_and_dark_pages() -> None:
    """Every colour of the palette has a contrast of 3:1 on both page colours."""

    def luminance(colour: str) -> float:
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    for colour in PALETTE:
        assert 1.05 / (luminance(colour) + 0.05) >= 3.0
        assert (luminance(colour) + 0.05) / (luminance("#12161b") + 0.05) >= 3.0


def test_save_svg_keeps_the_settings_of_the_caller(tmp_path: Path) -> None:
    """Writing a file changes no setting of matplotlib and does not load pyplot."""
    code = (
        "import sys, pathlib, matplotlib;"
        "from headstart.evaluation.plots.svg import save_svg; from headstart.evaluation.plots.trials import draw_loss;"
        "before = matplotlib.rcParams.copy(); path = pathlib.Path(sys.argv[1]);"
        "save_svg(lambda ax: draw_loss(ax, []), path, (3, 3));"
        "print('matplotlib.pyplot' in sys.modules, before == matplotlib.rcParams.copy())"
    )
    done = subprocess.run([sys.executable, "-c", code, tmp_path / "a.svg"], capture_output=True, text=True, check=True)
    assert done.stdout == "False True\n"
