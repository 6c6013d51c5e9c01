"""Evaluation: the pictures. One function per figure, drawn on given axes."""

from __future__ import annotations

from headstart.plots.axes import PALETTE, label, new_axes
from headstart.plots.classes import draw_binary_roc, draw_confusion, draw_label_confusions, draw_roc, most_mistaken
from headstart.plots.svg import save_svg
from headstart.plots.training import TrialPoint, draw_leaderboard, draw_loss
from headstart.plots.values import draw_residuals, draw_scatter

__all__ = [
    "PALETTE",
    "TrialPoint",
    "draw_binary_roc",
    "draw_confusion",
    "draw_label_confusions",
    "draw_leaderboard",
    "draw_loss",
    "draw_residuals",
    "draw_roc",
    "draw_scatter",
    "label",
    "most_mistaken",
    "new_axes",
    "save_svg",
]
