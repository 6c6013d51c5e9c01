"""Checks of setting values: each returns None for a valid value, otherwise what was expected."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from numbers import Integral, Real
from typing import Any, NamedTuple

from headstart.data.augmentation.augmentation import Augmentation
from headstart.data.augmentation.presets import AUGMENTATIONS
from headstart.data.tasks import TASKS
from headstart.features.backbones.backbones import find_backbone
from headstart.features.part_a import PIXELS, POOLINGS, TABLE
from headstart.foundation.errors import BackboneError, UsageError
from headstart.foundation.text import nearest
from headstart.training.classical.baselines import BASELINES
from headstart.training.networks.layer_options import check_choices, read_regularizer
from headstart.training.networks.networks import NETWORKS

__all__ = [
    "ACTIVATIONS",
    "LOSSES",
    "MAX_UNITS",
    "OPTIMIZERS",
    "Check",
    "Refusal",
    "augmentation",
    "backbone",
    "batch_size",
    "choice",
    "cut",
    "instance_of",
    "number",
    "one_of",
    "optimizer",
    "regularizer",
    "sizes",
    "text",
    "trial",
    "whole",
]

# Keras's names, listed here so that a plan can be read without importing Keras. A test compares them with Keras.
OPTIMIZERS = (
    "adadelta", "adafactor", "adagrad", "adam", "adamax", "adamw", "ftrl", "lion", "muon", "nadam", "rmsprop", "sgd",
)  # fmt: skip
ACTIVATIONS = (
    "relu", "relu6", "leaky_relu", "elu", "celu", "selu", "gelu", "silu", "swish", "mish", "hard_silu", "hard_swish",
    "hard_tanh", "hard_sigmoid", "sigmoid", "tanh", "softplus", "softsign", "squareplus", "linear",
)  # fmt: skip
LOSSES = tuple(sorted({loss for task in TASKS.values() for loss in task.losses}))  # of all tasks: the data decide the task
MAX_UNITS = 65_536


class Refusal(NamedTuple):
    """Why a value was rejected: what was expected, and the most similar allowed value, if there is one."""

    expected: str
    nearest: str = ""


Check = Callable[[object], Refusal | None]  # None: the value is valid


def whole(low: int, high: int) -> Check:
    """Accept whole numbers from ``low`` to ``high``, both included."""

    def check(value: object) -> Refusal | None:
        fits = isinstance(value, Integral) and not isinstance(value, bool) and low <= int(value) <= high
        return None if fits else Refusal(f"a whole number from {low} to {high}")

    return check


def number(low: float, high: float, *, is_open: bool = False) -> Check:
    """Accept numbers from ``low`` to ``high``, both excluded if ``is_open``."""

    def check(value: object) -> Refusal | None:
        number: Any = value if isinstance(value, Real) and not isinstance(value, bool) else math.nan
        if low < number < high or (number in (low, high) and not is_open):  # NaN fails both conditions
            return None
        return Refusal(f"a number above {low:g} and below {high:g}" if is_open else f"a number from {low:g} to {high:g}")

    return check


def one_of(names: Iterable[str]) -> Check:
    """Accept one of the given names. ``names`` is read at each check, so a table may still grow."""

    def check(value: object) -> Refusal | None:
        if isinstance(value, str) and value in names:
            return None
        return Refusal(f"one of {', '.join(names)}", nearest(value, names) if isinstance(value, str) else "")

    return check


def optimizer(value: object) -> Refusal | None:
    """Accept the name of a Keras optimizer, in upper or lower case."""
    return one_of(OPTIMIZERS)(value.casefold() if isinstance(value, str) else value)


def text(pattern: str, expected: str) -> Check:
    """Accept text that matches a regular expression from beginning to end."""

    def check(value: object) -> Refusal | None:
        return None if isinstance(value, str) and re.fullmatch(pattern, value) else Refusal(expected)

    return check


def trial(value: object) -> Refusal | None:
    """Accept a trial name whose last part is a known network or baseline."""
    if not isinstance(value, str):
        return Refusal("the name of a trial, in quotes")
    head, dash, network = value.rpartition("-")
    refusal = one_of([*NETWORKS, *(BASELINES if head == TABLE else ())])(network)
    return refusal and Refusal(
        f"[backbone][-stage][-pooling][-SIDEpx][-Nviews]-network, where network is {refusal.expected}",
        f"{head}{dash}{refusal.nearest}" if refusal.nearest else "",
    )


def backbone(value: object) -> Refusal | None:
    """Accept the name of a backbone, or a list of different ones."""
    names = value.split("+") if isinstance(value, str) else value
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        return Refusal("the name of a backbone, or a list of such names")
    if names in ([PIXELS], [TABLE]):
        return None
    try:
        known = [find_backbone(name).name for name in names]
    except BackboneError as error:
        return Refusal(error.expected)
    return None if len(set(known)) == len(known) else Refusal("each backbone only once")


def cut(value: object) -> Refusal | None:
    """Accept any word that could be the name of a stage. Whether the backbone has such a stage is checked later."""
    is_word = isinstance(value, str) and re.fullmatch(r"\w+", value) and not re.fullmatch(r"\d+(px|views)", value)
    return None if is_word and value not in POOLINGS else Refusal(f"the name of a stage of the backbone, or {PIXELS}")


def batch_size(value: object) -> Refusal | None:
    """Accept powers of two from 2 to 65536."""
    fits = isinstance(value, Integral) and whole(2, 65_536)(value) is None and int(value).bit_count() == 1
    return None if fits else Refusal("a power of two from 2 to 65536")


def augmentation(value: object) -> Refusal | None:
    """Accept the name of an augmentation, or a table of its settings, each of which is checked when it is read."""
    if isinstance(value, Mapping | Augmentation):
        return None
    refusal = one_of(AUGMENTATIONS)(value)
    return refusal and refusal._replace(expected=f"{refusal.expected}, or a table of augmentation settings")


def instance_of(kind: type, expected: str) -> Check:
    """Accept instances of a type."""
    return lambda value: None if isinstance(value, kind) else Refusal(expected)


def sizes(value: object) -> Refusal | None:
    """Accept a list of layer widths."""
    fits = isinstance(value, list | tuple) and value and all(whole(1, MAX_UNITS)(number) is None for number in value)
    return None if fits else Refusal(f"a list of whole numbers from 1 to {MAX_UNITS}")


def regularizer(value: object) -> Refusal | None:
    """Accept a penalty written as text, such as ``l2:1e-4``."""
    if not isinstance(value, str):
        return Refusal("l1, l2 or l1_l2 with a rate, in quotes, as in l2:1e-4")
    try:
        read_regularizer(value)
    except UsageError as error:
        return Refusal(error.expected)
    return None


def choice(name: str) -> Check:
    """Accept the allowed values of ``name``, an option of convolutional networks: ``shrink``, ``padding`` or ``end``."""

    def check(value: object) -> Refusal | None:
        wanted = {"shrink": "stride", "padding": "same", "end": "pool"} | {name: str(value)}
        try:
            check_choices(**wanted)
        except UsageError as error:
            return Refusal(error.expected)
        return None

    return check
