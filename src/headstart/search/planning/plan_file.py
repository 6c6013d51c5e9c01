"""Read plan files (TOML); errors name the file, the trial and the key."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from headstart.data.augmentation.augmentation import Augmentation
from headstart.data.augmentation.presets import find_augmentation
from headstart.features.part_a import PIXELS
from headstart.foundation.errors import HeadstartError, UsageError
from headstart.foundation.text import nearest
from headstart.training.networks.networks import NETWORKS
from headstart.training.trials.settings import KEYS, check_options, check_value, meant, unknown_key

__all__ = ["Entry", "check_names", "in_plan", "is_plan_file", "read_plan"]

_BACKBONE = "efficientnet_lite0"  # default of trials that are given by separate keys
_SPELLED_OUT = ("backbone", "cut", "pooling", "size", "network")
_NOT_SETTINGS = ("trial", *_SPELLED_OUT, "name", "gain")
_FLOATS = ("gain", "learning_rate", "tail_rate")


class Entry(NamedTuple):
    """A trial of a plan.

    Attributes:
        trial: Name of the trial in the syntax of ``parse_trial``.
        gain: Expected gain relative to the other trials of the plan; of the remaining trials, the one with the highest gain
            per second runs next. Defaults to 1.0.
        settings: Fields of ``Recipe`` that the name does not determine. Defaults to none.
        name: Name of the trial in the run, if ``trial`` is not unique in the plan. Defaults to ``trial``.
    """

    trial: str
    gain: float = 1.0
    settings: Mapping[str, Any] = MappingProxyType({})
    name: str = ""


def is_plan_file(plan: str) -> bool:
    """Whether ``--plan`` is the path of a TOML file rather than a key of ``PLANS``."""
    return Path(plan).suffix.casefold() == ".toml"


def read_plan(path: Path) -> tuple[Entry, ...]:
    """Read the trials of a plan file, in its order; ``docs/plans.md`` describes the format.

    Raises:
        UsageError: The file cannot be read (H030), has an unknown key (H031) or an invalid value (H032), has no trial
            (H033), or has conflicting keys in a trial (H035); or settings of an augmentation are out of range (H010).
    """
    plan = _parsed(path)
    for key in plan:
        if key != "trial":
            raise unknown_key(
                f"{path}: {key}",
                "nothing but [[trial]] tables",
                f"write it below a [[trial]] line: {KEYS[key].example}"
                if key in KEYS
                else "write [[trial]] above each trial",
            )
    tables = plan.get("trial", [])
    if not isinstance(tables, list) or not tables or not all(isinstance(table, dict) for table in tables):
        raise UsageError(
            "H033",
            "the plan has no trials",
            received=f"{path}: {'no trial' if tables in ([], {}) else 'a trial that is not a [[trial]] table'}",
            expected="a [[trial]] table, in double brackets, for each trial",
            advice="write [[trial]] on a line of its own, and below it: " + KEYS["trial"].example,
        )
    entries = []
    for number, table in enumerate(tables, 1):
        with in_plan(path, number, table.get("name", table.get("trial", ""))):
            entries.append(_entry(table))
    return tuple(entries)


@contextmanager
def in_plan(path: Path, number: int, name: object) -> Iterator[None]:
    """Context manager that adds the file and the trial to errors raised inside it.

    Args:
        path: The plan file.
        number: Position of the trial in it, from 1.
        name: Name of the trial; ignored if it is not a string.
    """
    try:
        yield
    except HeadstartError as error:
        called = f" ({name[:80]})" if isinstance(name, str) and name else ""
        error.received = f"{path}, trial {number}{called}: {error.received}"
        raise


def check_names(plan: str, names: Sequence[str]) -> None:
    """Reject two trials with the same name. Case is ignored: each name is that of a folder, and some disks ignore case.

    Args:
        plan: Name or path of the plan.
        names: Names of its trials, in order.

    Raises:
        UsageError: Two trials have the same name (H034).
    """
    first: dict[str, int] = {}
    for number, name in enumerate(names, 1):
        earlier = first.setdefault(name.casefold(), number)
        if earlier != number:
            raise UsageError(
                "H034",
                "two trials have the same name",
                received=f"{plan}, trial {number}: {name} is already trial {earlier}",
                expected="a different name for each trial, even if only their settings differ",
                advice=f'give it a name: name = "{name[:70]}-{number}"',
            )


def _parsed(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_bytes().decode("utf-8-sig"))  # some editors write a byte order mark
    except (OSError, ValueError, RecursionError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise UsageError(
            "H030",
            "the plan cannot be read",
            received=f"{path}: {reason or type(error).__name__}",
            expected="a TOML file in UTF-8 with [[trial]] tables",
            advice="fix the file there; strings need quotes, as in " + KEYS["trial"].example,
        ) from error


def _entry(table: Mapping[str, Any]) -> Entry:
    for key, value in table.items():
        if key not in KEYS:
            raise _not_a_key(table, key)
        check_value(key, value, KEYS[key].check, f"for example {KEYS[key].example}")
    _check_together(table)
    network = table.get("network") or table["trial"].rpartition("-")[2]
    check_options(network, table.get("options", {}))
    if isinstance(augmentation := table.get("augmentation"), Mapping):
        _check_augmentation(augmentation)
    values: dict[str, Any] = {key: float(value) if key in _FLOATS else value for key, value in table.items()}
    settings = {key: value for key, value in values.items() if key not in _NOT_SETTINGS}
    return Entry(values.get("trial") or _spelled(values), values.get("gain", 1.0), settings, values.get("name", ""))


def _spelled(table: Mapping[str, Any]) -> str:
    """Build the name of a trial that is given by separate keys."""
    network = table["network"]
    backbone = table.get("backbone", PIXELS if NETWORKS[network].takes_images else _BACKBONE)
    backbone = backbone if isinstance(backbone, str) else "+".join(backbone)
    cut = "" if backbone == PIXELS and table.get("cut") == PIXELS else table.get("cut", "")
    size = f"{table['size']}px" if "size" in table else ""
    return "-".join(word for word in (backbone, cut, table.get("pooling", ""), size, network) if word)


def _check_together(table: Mapping[str, Any]) -> None:
    spelled = [key for key in _SPELLED_OUT if key in table]
    network = NETWORKS.get(table.get("network", ""))
    if "trial" in table and spelled:
        wrong, advice = f"{', '.join(spelled)} together with trial", "put everything into the name, or remove trial"
    elif "trial" in table and "views" in table and re.search(r"(^|-)\d+views-", table["trial"]):
        wrong, advice = "views together with a trial whose name gives the views", "give the views only once"
    elif "trial" not in table and "network" not in table:
        wrong, advice = f"neither trial nor network, but {', '.join(table) or 'nothing'}", KEYS["network"].example
    elif network is not None and network.takes_images and "pooling" in table:
        wrong, advice = f"pooling together with {table['network']}, which starts at the pixels", "remove pooling"
    else:
        return
    raise _clash(wrong, "either trial, or network with any of backbone, cut, pooling and size", advice)


def _check_augmentation(amounts: Mapping[str, Any]) -> None:
    known = [item.name for item in fields(Augmentation)]
    for key in amounts:
        if key not in known:
            raise unknown_key(f"augmentation.{key}", ", ".join(known), meant(nearest(key, known)))
    find_augmentation(amounts)


def _not_a_key(table: Mapping[str, Any], key: str) -> UsageError:
    network = table.get("network") or str(table.get("trial", "")).rpartition("-")[2]
    options = NETWORKS[network].options if isinstance(network, str) and network in NETWORKS else ()
    if key in options:
        return unknown_key(key, f"options of {network} in the table [trial.options]", "write it below [trial.options]")
    return unknown_key(key, ", ".join(KEYS), meant(nearest(key, KEYS)))


def _clash(received: str, expected: str, advice: str) -> UsageError:
    return UsageError("H035", "conflicting keys", received=received, expected=expected, advice=advice)
