"""The whole: the settings of a training, as ``compile`` and a plan file take them: what each may hold, and the checks."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, NamedTuple

from headstart.features.part_a import POOLINGS
from headstart.foundation.errors import UsageError
from headstart.training.networks.networks import ENSEMBLES, NETWORKS
from headstart.training.recipe import Recipe
from headstart.training.schedules import SCHEDULES
from headstart.training.trials import setting_checks as checks
from headstart.training.trials.setting_checks import ACTIVATIONS, LOSSES, MAX_UNITS, Check, Refusal, nearest

__all__ = [
    "KEYS",
    "SETTINGS",
    "Key",
    "check_options",
    "check_settings",
    "check_value",
    "meant",
    "option_check",
    "unknown_key",
]

_LEFT_OPEN = [field.name for field in fields(Recipe) if field.default is None]  # None stands for what is left out of a plan


class Key(NamedTuple):
    """A key of a ``[[trial]]`` table.

    Attributes:
        check: Of its value.
        example: The key with a value that will do, as TOML.
    """

    check: Check
    example: str


KEYS: dict[str, Key] = {
    "trial": Key(checks.trial, 'trial = "efficientnet_lite0-grid2-linear"'),
    "backbone": Key(checks.backbone, 'backbone = ["efficientnet_lite0", "efficientnet_lite1"]'),
    "cut": Key(checks.cut, 'cut = "stage6_block3"'),
    "pooling": Key(checks.one_of(POOLINGS), 'pooling = "grid2"'),
    "size": Key(checks.whole(8, 2048), "size = 260"),
    "network": Key(checks.one_of(NETWORKS), 'network = "mlp"'),
    "options": Key(checks.instance_of(Mapping, "a table"), "options = { dropout = 0.3 }"),
    "name": Key(
        checks.text(
            rf"(?!(?i:{'|'.join(ENSEMBLES)})$)([^\W_][\w.+=-]{{0,78}}\w|[^\W_])",
            f"up to 80 letters, digits and . _ + = -, a letter or digit first, and not {' or '.join(ENSEMBLES)}",
        ),
        'name = "wide"',
    ),
    "gain": Key(checks.number(0, 1e6), "gain = 0.5"),
    "views": Key(checks.whole(1, 1000), "views = 4"),
    "augmentation": Key(checks.augmentation, 'augmentation = "light"'),
    "optimizer": Key(checks.optimizer, 'optimizer = "adamw"'),
    "learning_rate": Key(checks.number(0, 1000, is_open=True), "learning_rate = 1e-3"),
    "schedule": Key(checks.one_of(SCHEDULES), 'schedule = "cosine"'),
    "tail_rate": Key(checks.number(0, 1), "tail_rate = 0.1"),
    "loss": Key(checks.one_of(LOSSES), 'loss = "categorical_crossentropy"'),
    "epochs": Key(checks.whole(1, 100_000), "epochs = 20"),
    "batch_size": Key(checks.batch_size, "batch_size = 32"),
    "patience": Key(checks.whole(1, 100_000), "patience = 5"),
}
# The fields of a recipe; the seed stands in no plan, because it belongs to the whole run.
SETTINGS: dict[str, Key] = {
    **{field.name: KEYS[field.name] for field in fields(Recipe) if field.name in KEYS},
    "seed": Key(checks.whole(0, 2**32 - 1), "seed = 0"),
}

_KINDS: dict[str, Check] = {
    "int": checks.whole(1, MAX_UNITS),
    "float": checks.number(-1e9, 1e9),
    "bool": checks.instance_of(bool, "true or false"),
    "str": checks.text(r".+", "a text that is not empty"),
    "Sequence[int]": checks.sizes,
}
# Options that mean the same in every network, with the type they have there.
_OPTIONS: dict[str, tuple[str, Check]] = {
    "activation": ("str", checks.one_of(ACTIVATIONS)),
    "dropout": ("float", checks.number(0, 0.99)),
    "regularizer": ("str", checks.regularizer),
    "shrink": ("str", checks.choice("shrink")),
    "padding": ("str", checks.choice("padding")),
    "end": ("str", checks.choice("end")),
}


def option_check(network: str, option: str) -> Check:
    """The check of a network's option: by its name where that is a choice, else by the type that its function states."""
    annotation = inspect.signature(NETWORKS[network].build).parameters[option].annotation
    text = annotation if isinstance(annotation, str) else getattr(annotation, "__name__", str(annotation))
    kinds = [kind.strip() for kind in text.split("|")]
    others = [kind for kind in kinds if kind not in _KINDS]  # that no plan can hold, but a call in Python can
    kind, named = _OPTIONS.get(option, ("", None))
    possible = [named] if named is not None and kind in kinds else [_KINDS[kind] for kind in kinds if kind in _KINDS]

    def check_any(value: object) -> Refusal | None:
        refusals = [refusal for check in possible if (refusal := check(value))]
        if not possible or len(refusals) < len(possible) or any(_is_a(kind, value) for kind in others):
            return None
        return Refusal(" or ".join(refusal.expected for refusal in refusals), refusals[0].nearest)

    return check_any


def _is_a(kind: str, value: object) -> bool:
    """Whether a value is of a type that an annotation names."""
    return value is None if kind == "None" else kind.rpartition(".")[2] in [base.__name__ for base in type(value).__mro__]


def check_settings(network: str, settings: Mapping[str, Any]) -> None:
    """Hold what a call in Python says of a training to the rules of a plan file.

    Args:
        network: A key of ``NETWORKS``.
        settings: Fields of ``Recipe`` by name.

    Raises:
        UsageError: There is no such field or option (H031), or its value cannot be used (H032).
    """
    for key, value in settings.items():
        if key not in SETTINGS:
            raise unknown_key(key, ", ".join(SETTINGS), meant(nearest(key, SETTINGS)))
        if value is not None or key not in _LEFT_OPEN:
            check_value(key, value, SETTINGS[key].check, f"for example {SETTINGS[key].example}")
    check_options(network, settings.get("options", {}))


def check_value(key: str, value: object, check: Check, advice: str) -> None:
    """Reject a value that its check does not let through.

    Raises:
        UsageError: It cannot be used (H032).
    """
    if refusal := check(value):
        raise UsageError(
            "H032",
            "a value cannot be used",
            received=f"{key} = {_shown(value)}",
            expected=f"{key}: {refusal.expected}",
            advice=f'did you mean {key} = "{refusal.nearest}"?' if refusal.nearest else advice,
        )


def check_options(network: str, options: Mapping[str, Any]) -> None:
    """Hold the options of a network to what its function takes.

    Raises:
        UsageError: There is no such option (H031), or its value cannot be used (H032).
    """
    known = NETWORKS[network].options if network in NETWORKS else ()  # a baseline has none
    for key, value in options.items():
        if key not in known:
            raise unknown_key(
                f"options.{key}", f"of {network}: {', '.join(known) or 'no option at all'}", meant(nearest(key, known))
            )
        check_value(f"options.{key}", value, option_check(network, key), "leave it out for what the network has by itself")


def meant(name: str) -> str:
    """Advice that names the key that was probably meant."""
    return f"did you mean {name}?" if name else "leave it out"


def unknown_key(received: str, expected: str, advice: str) -> UsageError:
    """The error for a key that does not exist (H031)."""
    return UsageError("H031", "unknown key", received=received, expected=expected, advice=advice)


def _shown(value: object) -> str:
    """A value for a message, not longer than a line."""
    try:
        text = repr(value)
    except ValueError:  # a whole number of thousands of digits
        return "a very large number"
    return text if len(text) <= 80 else f"{text[:77]}..."
