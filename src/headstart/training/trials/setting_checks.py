"""The whole: what a value of a setting may be, as functions that say what was expected in place of it."""

from __future__ import annotations

import difflib
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
    "nearest",
    "number",
    "one_of",
    "optimizer",
    "regularizer",
    "sizes",
    "text",
    "trial",
    "whole",
]

# Keras's names, so that a plan is read without importing Keras; a test holds them against Keras.
OPTIMIZERS = (
    "adadelta", "adafactor", "adagrad", "adam", "adamax", "adamw", "ftrl", "lion", "muon", "nadam", "rmsprop", "sgd",
)  # fmt: skip
ACTIVATIONS = (
    "relu", "relu6", "leaky_relu", "elu", "celu", "selu", "gelu", "silu", "swish", "mish", "hard_silu", "hard_swish",
    "hard_tanh", "hard_sigmoid", "sigmoid", "tanh", "softplus", "softsign", "squareplus", "linear",
)  # fmt: skip
LOSSES = tuple(sorted({loss for task in TASKS.values() for loss in task.losses}))  # which task it is, the data will tell
MAX_UNITS = 65_536


class Refusal(NamedTuple):
    """What a value should have been, and the allowed one that it is most like, if any is."""

    expected: str
    nearest: str = ""


Check = Callable[[object], Refusal | None]  # None: the value will do


def nearest(word: str, known: Iterable[str]) -> str:
    """The known name that a word is most like, whatever its case; empty if it is like none.

    Example:
        >>> nearest("Learning-rate", ["learning_rate", "tail_rate"])
        'learning_rate'
    """
    by_case = {name.casefold(): name for name in known}
    found = difflib.get_close_matches(word[:100].casefold(), list(by_case), n=1)
    return by_case[found[0]] if found else ""


def whole(low: int, high: int) -> Check:
    """A whole number in a range, both ends included."""

    def check(value: object) -> Refusal | None:
        fits = isinstance(value, Integral) and not isinstance(value, bool) and low <= int(value) <= high
        return None if fits else Refusal(f"a whole number from {low} to {high}")

    return check


def number(low: float, high: float, *, is_open: bool = False) -> Check:
    """From ``low`` to ``high``; both apart where the range is open."""

    def check(value: object) -> Refusal | None:
        number: Any = value if isinstance(value, Real) and not isinstance(value, bool) else math.nan
        if low < number < high or (number in (low, high) and not is_open):  # NaN is neither
            return None
        return Refusal(f"a number above {low:g} and below {high:g}" if is_open else f"a number from {low:g} to {high:g}")

    return check


def one_of(names: Iterable[str]) -> Check:
    """One of some names; whoever gives a table of them may still add to it."""

    def check(value: object) -> Refusal | None:
        if isinstance(value, str) and value in names:
            return None
        return Refusal(f"one of {', '.join(names)}", nearest(value, names) if isinstance(value, str) else "")

    return check


def optimizer(value: object) -> Refusal | None:
    """An optimizer of Keras, in any case."""
    return one_of(OPTIMIZERS)(value.casefold() if isinstance(value, str) else value)


def text(pattern: str, expected: str) -> Check:
    """Text that a regular expression matches as a whole."""

    def check(value: object) -> Refusal | None:
        return None if isinstance(value, str) and re.fullmatch(pattern, value) else Refusal(expected)

    return check


def trial(value: object) -> Refusal | None:
    """The name of a trial, by its last word."""
    if not isinstance(value, str):
        return Refusal("the name of a trial, in quotes")
    head, dash, network = value.rpartition("-")
    refusal = one_of([*NETWORKS, *(BASELINES if head == TABLE else ())])(network)
    return refusal and Refusal(
        f"[backbone][-stage][-pooling][-SIDEpx][-Nviews]-network, where network is {refusal.expected}",
        f"{head}{dash}{refusal.nearest}" if refusal.nearest else "",
    )


def backbone(value: object) -> Refusal | None:
    """A backbone, or several."""
    names = value.split("+") if isinstance(value, str) else value
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        return Refusal("the name of a backbone, or a list of such names")
    if names in ([PIXELS], [TABLE]):
        return None
    try:
        found = [find_backbone(name).name for name in names]
    except BackboneError as error:
        return Refusal(error.expected)
    return None if len(set(found)) == len(found) else Refusal("each backbone once")


def cut(value: object) -> Refusal | None:
    """The name of a stage, as far as its form tells."""
    is_word = isinstance(value, str) and re.fullmatch(r"\w+", value) and not re.fullmatch(r"\d+(px|views)", value)
    return None if is_word and value not in POOLINGS else Refusal(f"the name of a stage of the backbone, or {PIXELS}")


def batch_size(value: object) -> Refusal | None:
    """A power of two."""
    fits = isinstance(value, Integral) and whole(2, 65_536)(value) is None and int(value).bit_count() == 1
    return None if fits else Refusal("a power of two from 2 to 65536")


def augmentation(value: object) -> Refusal | None:
    """An augmentation by name, or a table of its settings, which are checked one by one elsewhere."""
    if isinstance(value, Mapping | Augmentation):
        return None  # its settings are read one by one
    refusal = one_of(AUGMENTATIONS)(value)
    return refusal and refusal._replace(expected=f"{refusal.expected}, or a table of amounts")


def instance_of(kind: type, expected: str) -> Check:
    """A value of a type."""
    return lambda value: None if isinstance(value, kind) else Refusal(expected)


def sizes(value: object) -> Refusal | None:
    """A list of layer widths."""
    fits = isinstance(value, list | tuple) and value and all(whole(1, MAX_UNITS)(number) is None for number in value)
    return None if fits else Refusal(f"a list of whole numbers from 1 to {MAX_UNITS}")


def regularizer(value: object) -> Refusal | None:
    """A penalty in words, such as ``l2:1e-4``."""
    if not isinstance(value, str):
        return Refusal("l1, l2 or l1_l2 with a rate, in quotes, as in l2:1e-4")
    try:
        read_regularizer(value)
    except UsageError as error:
        return Refusal(error.expected)
    return None


def choice(name: str) -> Check:
    """A choice of a convolutional block."""

    def check(value: object) -> Refusal | None:
        wanted = {"shrink": "stride", "padding": "same", "end": "pool"} | {name: str(value)}
        try:
            check_choices(**wanted)
        except UsageError as error:
            return Refusal(error.expected)
        return None

    return check
