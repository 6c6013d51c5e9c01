"""The whole: what a plan file may say of a trial, and ``compile`` of a training: the keys, and what each may hold."""

from __future__ import annotations

import difflib
import inspect
import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields
from numbers import Integral, Real
from typing import Any, NamedTuple

from headstart.augmentation import AUGMENTATIONS, Augmentation
from headstart.backbones import find_backbone
from headstart.errors import BackboneError, UsageError
from headstart.extractor import PIXELS, POOLINGS, TABLE
from headstart.layer_choices import check_choices, read_regularizer
from headstart.networks import ENSEMBLES, NETWORKS
from headstart.rates import SCHEDULES
from headstart.recipe import Recipe
from headstart.tasks import TASKS
from headstart.yardsticks import YARDSTICKS

__all__ = ["ACTIVATIONS", "KEYS", "LOSSES", "OPTIMIZERS", "SETTINGS", "Check", "Key", "Refusal", "nearest", "option_check"]

# Keras's names, so that a plan is read without importing Keras; a test holds them against Keras.
OPTIMIZERS = (
    "adadelta", "adafactor", "adagrad", "adam", "adamax", "adamw", "ftrl", "lion", "muon", "nadam", "rmsprop", "sgd",
)  # fmt: skip
ACTIVATIONS = (
    "relu", "relu6", "leaky_relu", "elu", "celu", "selu", "gelu", "silu", "swish", "mish", "hard_silu", "hard_swish",
    "hard_tanh", "hard_sigmoid", "sigmoid", "tanh", "softplus", "softsign", "squareplus", "linear",
)  # fmt: skip
LOSSES = tuple(sorted({loss for task in TASKS.values() for loss in task.losses}))  # which task it is, the data will tell
_MOST_UNITS = 65_536


class Refusal(NamedTuple):
    """What a value should have been, and the allowed one that it is most like, if any is."""

    expected: str
    nearest: str = ""


Check = Callable[[object], Refusal | None]  # None: the value will do


class Key(NamedTuple):
    """A key of a ``[[trial]]`` table.

    Attributes:
        check: Of its value.
        example: The key with a value that will do, as TOML.
    """

    check: Check
    example: str


def nearest(word: str, known: Iterable[str]) -> str:
    """The known name that a word is most like, whatever its case; empty if it is like none.

    Example:
        >>> nearest("Learning-rate", ["learning_rate", "tail_rate"])
        'learning_rate'
    """
    by_case = {name.casefold(): name for name in known}
    found = difflib.get_close_matches(word[:100].casefold(), list(by_case), n=1)
    return by_case[found[0]] if found else ""


def option_check(network: str, option: str) -> Check:
    """The check of a network's option: by its name where that is a choice, else by the type that its function states."""
    annotation = inspect.signature(NETWORKS[network].build).parameters[option].annotation
    text = annotation if isinstance(annotation, str) else getattr(annotation, "__name__", str(annotation))
    kinds = [kind.strip() for kind in text.split("|")]
    others = [kind for kind in kinds if kind not in _KINDS]  # that no plan can hold, but a call in Python can
    kind, named = _OPTIONS.get(option, ("", None))
    checks = [named] if named is not None and kind in kinds else [_KINDS[kind] for kind in kinds if kind in _KINDS]

    def check_any(value: object) -> Refusal | None:
        refusals = [refusal for check in checks if (refusal := check(value))]
        if not checks or len(refusals) < len(checks) or any(_is_a(kind, value) for kind in others):
            return None
        return Refusal(" or ".join(refusal.expected for refusal in refusals), refusals[0].nearest)

    return check_any


def _is_a(kind: str, value: object) -> bool:
    """Whether a value is of a type that an annotation names."""
    return value is None if kind == "None" else kind.rpartition(".")[2] in [base.__name__ for base in type(value).__mro__]


def _whole(low: int, high: int) -> Check:
    def check(value: object) -> Refusal | None:
        fits = isinstance(value, Integral) and not isinstance(value, bool) and low <= int(value) <= high
        return None if fits else Refusal(f"a whole number from {low} to {high}")

    return check


def _number(low: float, high: float, *, is_open: bool = False) -> Check:
    """From ``low`` to ``high``; both apart where the range is open."""

    def check(value: object) -> Refusal | None:
        number: Any = value if isinstance(value, Real) and not isinstance(value, bool) else math.nan
        if low < number < high or (number in (low, high) and not is_open):  # NaN is neither
            return None
        return Refusal(f"a number above {low:g} and below {high:g}" if is_open else f"a number from {low:g} to {high:g}")

    return check


def _one_of(names: Iterable[str]) -> Check:
    """One of some names; whoever gives a table of them may still add to it."""

    def check(value: object) -> Refusal | None:
        if isinstance(value, str) and value in names:
            return None
        return Refusal(f"one of {', '.join(names)}", nearest(value, names) if isinstance(value, str) else "")

    return check


def _optimizer(value: object) -> Refusal | None:
    return _one_of(OPTIMIZERS)(value.casefold() if isinstance(value, str) else value)  # Keras does not look at the case


def _text(pattern: str, expected: str) -> Check:
    def check(value: object) -> Refusal | None:
        return None if isinstance(value, str) and re.fullmatch(pattern, value) else Refusal(expected)

    return check


def _trial(value: object) -> Refusal | None:
    if not isinstance(value, str):
        return Refusal("the name of a trial, in quotes")
    head, dash, network = value.rpartition("-")
    refusal = _one_of([*NETWORKS, *(YARDSTICKS if head == TABLE else ())])(network)
    return refusal and Refusal(
        f"[backbone][-stage][-pooling][-SIDEpx][-Nviews]-network, where network is {refusal.expected}",
        f"{head}{dash}{refusal.nearest}" if refusal.nearest else "",
    )


def _backbone(value: object) -> Refusal | None:
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


def _cut(value: object) -> Refusal | None:
    is_word = isinstance(value, str) and re.fullmatch(r"\w+", value) and not re.fullmatch(r"\d+(px|views)", value)
    return None if is_word and value not in POOLINGS else Refusal(f"the name of a stage of the backbone, or {PIXELS}")


def _batch_size(value: object) -> Refusal | None:
    fits = isinstance(value, Integral) and _whole(2, 65_536)(value) is None and int(value).bit_count() == 1
    return None if fits else Refusal("a power of two from 2 to 65536")


def _augmentation(value: object) -> Refusal | None:
    if isinstance(value, Mapping | Augmentation):
        return None  # its settings are read one by one
    refusal = _one_of(AUGMENTATIONS)(value)
    return refusal and refusal._replace(expected=f"{refusal.expected}, or a table of amounts")


def _is(kind: type, expected: str) -> Check:
    return lambda value: None if isinstance(value, kind) else Refusal(expected)


def _sizes(value: object) -> Refusal | None:
    fits = isinstance(value, list | tuple) and value and all(_whole(1, _MOST_UNITS)(number) is None for number in value)
    return None if fits else Refusal(f"a list of whole numbers from 1 to {_MOST_UNITS}")


def _regularizer(value: object) -> Refusal | None:
    if not isinstance(value, str):
        return Refusal("l1, l2 or l1_l2 with a rate, in quotes, as in l2:1e-4")
    try:
        read_regularizer(value)
    except UsageError as error:
        return Refusal(error.expected)
    return None


def _choice(name: str) -> Check:
    def check(value: object) -> Refusal | None:
        wanted = {"shrink": "stride", "padding": "same", "end": "pool"} | {name: str(value)}
        try:
            check_choices(**wanted)
        except UsageError as error:
            return Refusal(error.expected)
        return None

    return check


KEYS: dict[str, Key] = {
    "trial": Key(_trial, 'trial = "efficientnet_lite0-grid2-linear"'),
    "backbone": Key(_backbone, 'backbone = ["efficientnet_lite0", "efficientnet_lite1"]'),
    "cut": Key(_cut, 'cut = "stage6_block3"'),
    "pooling": Key(_one_of(POOLINGS), 'pooling = "grid2"'),
    "size": Key(_whole(8, 2048), "size = 260"),
    "network": Key(_one_of(NETWORKS), 'network = "mlp"'),
    "options": Key(_is(Mapping, "a table"), "options = { dropout = 0.3 }"),
    "name": Key(
        _text(
            rf"(?!(?i:{'|'.join(ENSEMBLES)})$)([^\W_][\w.+=-]{{0,78}}\w|[^\W_])",
            f"up to 80 letters, digits and . _ + = -, a letter or digit first, and not {' or '.join(ENSEMBLES)}",
        ),
        'name = "wide"',
    ),
    "gain": Key(_number(0, 1e6), "gain = 0.5"),
    "views": Key(_whole(1, 1000), "views = 4"),
    "augmentation": Key(_augmentation, 'augmentation = "light"'),
    "optimizer": Key(_optimizer, 'optimizer = "adamw"'),
    "learning_rate": Key(_number(0, 1000, is_open=True), "learning_rate = 1e-3"),
    "schedule": Key(_one_of(SCHEDULES), 'schedule = "cosine"'),
    "tail_rate": Key(_number(0, 1), "tail_rate = 0.1"),
    "loss": Key(_one_of(LOSSES), 'loss = "categorical_crossentropy"'),
    "epochs": Key(_whole(1, 100_000), "epochs = 20"),
    "batch_size": Key(_batch_size, "batch_size = 32"),
    "patience": Key(_whole(1, 100_000), "patience = 5"),
}
# The fields of a recipe; the seed stands in no plan, because it belongs to the whole run.
SETTINGS: dict[str, Key] = {
    **{field.name: KEYS[field.name] for field in fields(Recipe) if field.name in KEYS},
    "seed": Key(_whole(0, 2**32 - 1), "seed = 0"),
}

_KINDS: dict[str, Check] = {
    "int": _whole(1, _MOST_UNITS),
    "float": _number(-1e9, 1e9),
    "bool": _is(bool, "true or false"),
    "str": _text(r".+", "a text that is not empty"),
    "Sequence[int]": _sizes,
}
# Options that mean the same in every network, with the type they have there.
_OPTIONS: dict[str, tuple[str, Check]] = {
    "activation": ("str", _one_of(ACTIVATIONS)),
    "dropout": ("float", _number(0, 0.99)),
    "regularizer": ("str", _regularizer),
    "shrink": ("str", _choice("shrink")),
    "padding": ("str", _choice("padding")),
    "end": ("str", _choice("end")),
}
