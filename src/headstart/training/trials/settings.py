"""Training settings accepted by ``compile`` and plan files, and the checks of their values."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, NamedTuple

from headstart.features.part_a import POOLINGS
from headstart.foundation.errors import UsageError
from headstart.foundation.text import nearest
from headstart.training.networks.networks import ENSEMBLES, NETWORKS
from headstart.training.recipe import Recipe
from headstart.training.schedules import SCHEDULES
from headstart.training.trials import setting_checks
from headstart.training.trials.setting_checks import ACTIVATIONS, LOSSES, MAX_UNITS, Check, Refusal

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

_OPTIONAL = [field.name for field in fields(Recipe) if field.default is None]  # None means the same as leaving the key out


class Key(NamedTuple):
    """A key of a ``[[trial]]`` table in a plan file.

    Attributes:
        check: Check of its value.
        example: The key with a valid value, as TOML.
    """

    check: Check
    example: str


KEYS: dict[str, Key] = {
    "trial": Key(setting_checks.trial, 'trial = "efficientnet_lite0-grid2-linear"'),
    "backbone": Key(setting_checks.backbone, 'backbone = ["efficientnet_lite0", "efficientnet_lite1"]'),
    "cut": Key(setting_checks.cut, 'cut = "stage6_block3"'),
    "pooling": Key(setting_checks.one_of(POOLINGS), 'pooling = "grid2"'),
    "size": Key(setting_checks.whole(8, 2048), "size = 260"),
    "network": Key(setting_checks.one_of(NETWORKS), 'network = "mlp"'),
    "options": Key(setting_checks.instance_of(Mapping, "a table"), "options = { dropout = 0.3 }"),
    "name": Key(
        setting_checks.text(
            rf"(?!(?i:{'|'.join(ENSEMBLES)})$)([^\W_][\w.+=-]{{0,78}}\w|[^\W_])",
            f"up to 80 letters, digits and . _ + = -, starting with a letter or digit, but not {' or '.join(ENSEMBLES)}",
        ),
        'name = "wide"',
    ),
    "gain": Key(setting_checks.number(0, 1e6), "gain = 0.5"),
    "views": Key(setting_checks.whole(1, 1000), "views = 4"),
    "augmentation": Key(setting_checks.augmentation, 'augmentation = "light"'),
    "optimizer": Key(setting_checks.optimizer, 'optimizer = "adamw"'),
    "learning_rate": Key(setting_checks.number(0, 1000, is_open=True), "learning_rate = 1e-3"),
    "schedule": Key(setting_checks.one_of(SCHEDULES), 'schedule = "cosine"'),
    "tail_rate": Key(setting_checks.number(0, 1), "tail_rate = 0.1"),
    "loss": Key(setting_checks.one_of(LOSSES), 'loss = "categorical_crossentropy"'),
    "epochs": Key(setting_checks.whole(1, 100_000), "epochs = 20"),
    "batch_size": Key(setting_checks.batch_size, "batch_size = 32"),
    "patience": Key(setting_checks.whole(1, 100_000), "patience = 5"),
}
# The fields of a recipe. A plan file has no seed, because the seed applies to the whole run.
SETTINGS: dict[str, Key] = {
    **{field.name: KEYS[field.name] for field in fields(Recipe) if field.name in KEYS},
    "seed": Key(setting_checks.whole(0, 2**32 - 1), "seed = 0"),
}

_KINDS: dict[str, Check] = {
    "int": setting_checks.whole(1, MAX_UNITS),
    "float": setting_checks.number(-1e9, 1e9),
    "bool": setting_checks.instance_of(bool, "true or false"),
    "str": setting_checks.text(r".+", "text that is not empty"),
    "Sequence[int]": setting_checks.sizes,
}
# Options with the same meaning in every network, and the type in their annotation.
_OPTIONS: dict[str, tuple[str, Check]] = {
    "activation": ("str", setting_checks.one_of(ACTIVATIONS)),
    "dropout": ("float", setting_checks.number(0, 0.99)),
    "regularizer": ("str", setting_checks.regularizer),
    "shrink": ("str", setting_checks.choice("shrink")),
    "padding": ("str", setting_checks.choice("padding")),
    "end": ("str", setting_checks.choice("end")),
}


def option_check(network: str, option: str) -> Check:
    """Return the check of a network's option, by its name if it is a known option, otherwise by its type annotation."""
    annotation = inspect.signature(NETWORKS[network].build).parameters[option].annotation
    text = annotation if isinstance(annotation, str) else getattr(annotation, "__name__", str(annotation))
    kinds = [kind.strip() for kind in text.split("|")]
    others = [kind for kind in kinds if kind not in _KINDS]  # possible in a Python call, but not in a plan file
    kind, named = _OPTIONS.get(option, ("", None))
    possible = [named] if named is not None and kind in kinds else [_KINDS[kind] for kind in kinds if kind in _KINDS]

    def check_any(value: object) -> Refusal | None:
        refusals = [refusal for check in possible if (refusal := check(value))]
        if not possible or len(refusals) < len(possible) or any(_is_a(kind, value) for kind in others):
            return None
        return Refusal(" or ".join(refusal.expected for refusal in refusals), refusals[0].nearest)

    return check_any


def _is_a(kind: str, value: object) -> bool:
    """Whether a value is an instance of the type that an annotation names."""
    return value is None if kind == "None" else kind.rpartition(".")[2] in [base.__name__ for base in type(value).__mro__]


def check_settings(network: str, settings: Mapping[str, Any]) -> None:
    """Check training settings given in Python by the rules of a plan file.

    Args:
        network: A key of ``NETWORKS``.
        settings: Fields of ``Recipe`` by name.

    Raises:
        UsageError: A field or option is unknown (H031), or its value is invalid (H032).
    """
    for key, value in settings.items():
        if key not in SETTINGS:
            raise unknown_key(key, ", ".join(SETTINGS), meant(nearest(key, SETTINGS)))
        if value is not None or key not in _OPTIONAL:
            check_value(key, value, SETTINGS[key].check, f"for example {SETTINGS[key].example}")
    check_options(network, settings.get("options", {}))


def check_value(key: str, value: object, check: Check, advice: str) -> None:
    """Reject a value that fails its check.

    Raises:
        UsageError: The value is invalid (H032).
    """
    if refusal := check(value):
        raise UsageError(
            "H032",
            "invalid value",
            received=f"{key} = {_shown(value)}",
            expected=f"{key}: {refusal.expected}",
            advice=f'did you mean {key} = "{refusal.nearest}"?' if refusal.nearest else advice,
        )


def check_options(network: str, options: Mapping[str, Any]) -> None:
    """Check options against the keyword arguments of the network's function.

    Raises:
        UsageError: An option is unknown (H031), or its value is invalid (H032).
    """
    known = NETWORKS[network].options if network in NETWORKS else ()  # a baseline has none
    for key, value in options.items():
        if key not in known:
            raise unknown_key(
                f"options.{key}", f"options of {network}: {', '.join(known) or 'none'}", meant(nearest(key, known))
            )
        check_value(f"options.{key}", value, option_check(network, key), "leave it out to use the network's default")


def meant(name: str) -> str:
    """Return advice that suggests the key that was probably meant."""
    return f"did you mean {name}?" if name else "leave it out"


def unknown_key(received: str, expected: str, advice: str) -> UsageError:
    """Return the error for an unknown key (H031)."""
    return UsageError("H031", "unknown key", received=received, expected=expected, advice=advice)


def _shown(value: object) -> str:
    """A value as text for a message, at most 80 characters."""
    try:
        text = repr(value)
    except ValueError:  # Python refuses to print integers of thousands of digits
        return "a very large number"
    return text if len(text) <= 80 else f"{text[:77]}..."
