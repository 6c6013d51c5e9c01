"""Names of the classes of a trained model, and of one that is extended."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from headstart.data.tables.preprocess import as_numbers
from headstart.foundation.text import natural_key

__all__ = ["OpenClasses", "classes_in", "in_order"]


class OpenClasses(tuple[str, ...]):
    """Classes of a run that is extended: data that are read for it may have further ones, which come after them."""

    __slots__ = ()


def classes_in(names: Iterable[str], classes: Sequence[str] | None) -> tuple[str, ...]:
    """Classes of data that use these names: those of a trained model, if there is one, else the names in order.

    Example:
        >>> classes_in(["b", "c"], None), classes_in(["b", "c"], ("a", "b")), classes_in(["b", "c"], OpenClasses(["a", "b"]))
        (('b', 'c'), ('a', 'b'), ('a', 'b', 'c'))
    """
    if classes is None:
        return in_order(names)
    if isinstance(classes, OpenClasses):
        return (*classes, *in_order({*names} - {*classes}))
    return tuple(classes)


def in_order(names: Iterable[str]) -> tuple[str, ...]:
    """Sort names: by value if all are numbers, else in natural order."""
    listed = sorted({*names}, key=lambda name: (natural_key(name), name))
    values = as_numbers(np.array(listed, object))
    return tuple(listed if np.isnan(values).any() else [listed[i] for i in np.argsort(values, kind="stable")])
