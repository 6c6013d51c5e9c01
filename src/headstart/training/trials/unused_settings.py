"""Find settings that a trial would not use, so that no setting is silently ignored."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from headstart.foundation.errors import UsageError
from headstart.training.schedules import FIXED_LENGTH, SCHEDULES
from headstart.training.trials.trial import Trial

__all__ = ["check_used", "unused", "with_used"]


def check_used(trial: Trial, settings: Mapping[str, Any]) -> None:
    """Reject settings that would have no effect on a trial.

    Args:
        trial: The trial with these settings.
        settings: The fields of its recipe that the user set.

    Raises:
        UsageError: A setting would have no effect (H035).
    """
    for row, keys, reason in _found(trial, settings):
        raise UsageError(
            "H035",
            "conflicting keys",
            received=f"{', '.join(keys)} {reason}",
            expected=row.expected,
            advice=row.advice,
        )


def unused(trial: Trial, settings: Mapping[str, Any]) -> dict[str, str]:
    """Return those of several settings that would have no effect on a trial, each with the reason."""
    found = _found(trial, settings)
    return {key: reason for _, keys, reason in reversed(found) for key in keys}


def with_used(trial: Trial, settings: Mapping[str, Any]) -> Trial:
    """Apply settings to a trial, except for those that would have no effect on it."""
    idle = unused(trial, settings)
    return replace(trial, recipe=replace(trial.recipe, **{key: value for key, value in settings.items() if key not in idle}))


def _found(trial: Trial, settings: Mapping[str, Any]) -> list[tuple[_Unused, list[str], str]]:
    """The rules by which settings have no effect on a trial, with the settings and the reason."""
    given = [(row, [key for key in row.keys if settings.get(key) is not None]) for row in _UNUSED]
    return [(row, keys, reason) for row, keys in given if keys and (reason := row.reason(trial))]


class _Unused(NamedTuple):
    """Settings that some trials do not use."""

    keys: tuple[str, ...]
    reason: Callable[[Trial], str]  # empty if the trial uses them
    expected: str
    advice: str


def _why_solved(trial: Trial) -> str:
    return "for a linear head on pooled features, which a solver fits without an optimizer" if trial.is_solved else ""


def _why_not_stopped(trial: Trial) -> str:
    return f"with the schedule {trial.schedule}, which is never stopped early" if trial.schedule in FIXED_LENGTH else ""


def _why_no_tail(trial: Trial) -> str:
    return "" if trial.has_tail else f"with {trial.part.name}, after which no layer of a backbone is trained"


def _why_baseline(trial: Trial) -> str:
    return f"for {trial.recipe.network}, a baseline with its own way of training" if trial.is_baseline else ""


_UNUSED = (
    _Unused(
        ("optimizer", "learning_rate", "schedule", "tail_rate", "epochs", "batch_size", "patience", "loss", "options"),
        _why_baseline,
        "none of these keys",
        "leave them out, or use a network: table-dnn",
    ),
    _Unused(
        ("learning_rate", "schedule", "tail_rate", "epochs", "batch_size", "patience"),
        _why_solved,
        "an optimizer together with these keys, or none of them",
        'add optimizer = "adam", or leave them out',
    ),
    _Unused(
        ("patience",),
        _why_not_stopped,
        f"patience with {', '.join(name for name in SCHEDULES if name not in FIXED_LENGTH)}",
        'leave patience out, or add schedule = "plateau"',
    ),
    _Unused(
        ("tail_rate",),
        _why_no_tail,
        "tail_rate with a backbone that is cut at a stage or at the pixels",
        'leave tail_rate out, or cut the backbone: cut = "stage6_block3"',
    ),
)
