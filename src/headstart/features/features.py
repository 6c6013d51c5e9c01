"""Features: the rows that Part A computed for a data set, read from the store on demand."""

from __future__ import annotations

import struct
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, Protocol, Self

import numpy as np

from headstart.data.augmentation.augmentation import Augmentation
from headstart.data.dataset import Dataset
from headstart.data.skipped import Skipped
from headstart.features.feature_store import Store, mapped_array
from headstart.features.part_a import PartA
from headstart.foundation.arrays import Array
from headstart.foundation.errors import StackError

__all__ = ["SHAPE", "SIDE", "Extraction", "FeatureRows", "Features", "Views"]

SHAPE = struct.Struct("<cB")  # NumPy's type character and the number of dimensions, each of which follows as SIDE

SIDE = struct.Struct("<I")


class Extraction(NamedTuple):
    """Progress of an extraction."""

    done: int
    total: int
    num_computed: int
    seconds: float


class Views(NamedTuple):
    """View of each sample to extract.

    Attributes:
        numbers: View of each sample: 0 for the image itself, other numbers for augmented copies.
        augmentation: How copies are augmented. Defaults to None.
        seed: Seed, which decides a copy together with the image's content and the view's number. Defaults to 0.
    """

    numbers: tuple[int, ...]
    augmentation: Augmentation | None = None
    seed: int = 0


class FeatureRows(Protocol):
    """Interface of the features of a data set, implemented for images and for tables.

    Attributes:
        part: The Part A that computed the rows.
        seconds: Seconds that computing all rows took, including those read from the store.
        failures: Reason by position, for samples without a row.
        unreached: Positions of samples that were not computed before the deadline.
        facts: Properties of each image found while decoding it, by position; empty for a table.
        thumbnails: Grey thumbnails, uint8 ``(n, 16, 16)``; None for a table.
    """

    part: PartA
    seconds: float

    @property
    def failures(self) -> Mapping[int, str]: ...  # noqa: D102 - see the class

    @property
    def unreached(self) -> Sequence[int]: ...  # noqa: D102

    @property
    def facts(self) -> Mapping[int, Mapping[str, Any]]: ...  # noqa: D102

    @property
    def thumbnails(self) -> Array | None: ...  # noqa: D102

    @property
    def code_sizes(self) -> list[int]:
        """Number of codes of each of the last columns, which hold codes of categories; empty for images."""
        ...

    def __len__(self) -> int: ...

    def rows(self, indices: Sequence[int] | Array) -> Array:
        """Return the rows of the samples at ``indices``, in this order."""
        ...

    def take(self, indices: Sequence[int]) -> Self:
        """Return the features of the samples at ``indices`` only, in this order."""
        ...

    def plus(self, other: Self) -> Self:
        """Return these features followed by ``other``, which the same Part A must have computed."""
        ...

    def learned_on(self, dataset: Dataset) -> FeatureRows:
        """Return the features after learning anew, on the training split of ``dataset``, what is learned from rows."""
        ...

    def skipped(self, dataset: Dataset) -> tuple[list[Skipped], list[int]]:
        """Return the samples without a row, with reasons, and their positions."""
        ...


@dataclass
class Features:
    """Rows that Part A computed for the images of a data set, read from the store on demand. ``extract`` returns them.

    Attributes:
        part: The Part A that computed the rows.
        spaces: The store's space of each sample's row.
        digests: Content digest of each sample.
        store: The store that holds the rows.
        num_cached: Number of rows that were already in the store.
        num_computed: Number of rows computed now.
        seconds: Seconds that computing all rows took, including those that were already in the store.
        failures: Reason by position, for files without a row.
        facts: What decoding found out about each file: width, height, format, mode, animated, profile, blank.
        thumbnails: Grey thumbnails, uint8 ``(n, 16, 16)``; zeros for files without a row.
        unreached: Positions of samples that were not computed before the deadline.
        engine: Name of the engine that computed rows, and why it was chosen; empty strings if none was needed.
        num_damaged: Number of stored rows that failed their checksum and were computed again.

    Example::

        features = hs.extract(dataset, part, store)
        x = features.rows(dataset.indices("train"))  # (n, features) float32
        y = dataset.labels[dataset.indices("train")]
    """

    part: PartA
    spaces: tuple[str, ...]
    digests: tuple[str, ...]
    store: Store = field(repr=False)
    num_cached: int = 0
    num_computed: int = 0
    seconds: float = 0.0
    failures: dict[int, str] = field(default_factory=dict)
    facts: dict[int, dict[str, Any]] = field(default_factory=dict, repr=False)
    thumbnails: Array = field(default_factory=lambda: np.zeros((0, 16, 16), np.uint8), repr=False)
    unreached: tuple[int, ...] = ()
    engine: tuple[str, str] = ("", "")
    num_damaged: int = 0

    def __len__(self) -> int:
        return len(self.digests)

    def rows(self, indices: Sequence[int] | Array) -> Array:
        """Return the rows of the samples at ``indices``: ``(n, features)`` float32, or stored feature maps or pixels.

        The array is mapped from a file, so rows that are not in use take no memory.

        Raises:
            StackError: Rows are missing from the store (H602), or the disk has no room for the file (H601).
        """
        chosen = np.asarray(indices, np.int64)
        place: list[Array] = []  # holds the array, which is created when the first row shows the shape
        found = 0

        def fill(position: int, value: memoryview, _seconds: float) -> None:
            nonlocal found
            row = _unpack_row(value)
            if not place:
                place.append(mapped_array((len(chosen), *row.shape), row.dtype))
            elif row.dtype.itemsize > place[0].dtype.itemsize:  # a row whose values exceed half precision
                narrow, place[0] = place[0], mapped_array(place[0].shape, row.dtype)
                place[0][:] = narrow
            place[0][position] = row
            found += 1

        for space, positions in self._by_space(chosen).items():
            digests = [self.digests[int(chosen[p])] for p in positions]
            self.store.visit(space, digests, lambda n, *rest, at=positions: fill(at[n], *rest))
        if found < len(chosen) or not place:
            raise StackError(
                "H602",
                "rows are missing from the feature store",
                received=f"{len(chosen) - found} of {len(chosen)} rows are lost or were damaged after they were computed",
                expected="a store that is not cleared while it is in use",
                advice="run the command again: missing rows are computed again",
                exit_code=1,
            )
        return place[0]

    def _by_space(self, indices: Array) -> dict[str, list[int]]:
        positions: dict[str, list[int]] = defaultdict(list)
        for position, i in enumerate(indices):
            positions[self.spaces[int(i)]].append(position)
        return positions

    def take(self, indices: Sequence[int]) -> Features:
        """Return the features of the samples at ``indices`` only, in this order."""
        position = {int(i): n for n, i in enumerate(indices)}
        return replace(
            self,
            spaces=tuple(self.spaces[i] for i in indices),
            digests=tuple(self.digests[i] for i in indices),
            thumbnails=self.thumbnails[list(indices)],
            facts={position[i]: facts for i, facts in self.facts.items() if i in position},
            failures={position[i]: reason for i, reason in self.failures.items() if i in position},
            unreached=tuple(position[i] for i in self.unreached if i in position),
        )

    def plus(self, other: Features) -> Features:
        """Return these features followed by ``other``, which the same Part A must have computed."""
        n = len(self.digests)
        return replace(
            self,
            spaces=self.spaces + other.spaces,
            digests=self.digests + other.digests,
            thumbnails=np.concatenate([self.thumbnails, other.thumbnails]),
            facts=self.facts | {n + i: facts for i, facts in other.facts.items()},
            failures=self.failures | {n + i: reason for i, reason in other.failures.items()},
            num_cached=self.num_cached + other.num_cached,
            num_computed=self.num_computed + other.num_computed,
            seconds=self.seconds + other.seconds,
            unreached=(*self.unreached, *(n + i for i in other.unreached)),
            engine=other.engine if other.engine[0] else self.engine,
            num_damaged=self.num_damaged + other.num_damaged,
        )

    def learned_on(self, dataset: Dataset) -> Features:  # noqa: ARG002 - see FeatureRows
        """Return the features unchanged: rows of images do not depend on the split."""
        return self

    @property
    def code_sizes(self) -> list[int]:
        """Empty: rows of images have no categories."""
        return []

    def skipped(self, dataset: Dataset) -> tuple[list[Skipped], list[int]]:
        """Return the files without a row, with reasons, and their positions."""
        reasons = self.failures | dict.fromkeys(self.unreached, "not reached within the budget")
        return [Skipped(dataset.paths[i], reason) for i, reason in sorted(reasons.items())], sorted(reasons)


def _unpack_row(value: memoryview) -> Array:
    letter, num_sides = SHAPE.unpack_from(value)
    start = SHAPE.size + num_sides * SIDE.size
    shape = [SIDE.unpack_from(value, SHAPE.size + n * SIDE.size)[0] for n in range(num_sides)]
    return np.frombuffer(value, np.dtype(letter.decode("ascii")), offset=start).reshape(shape)
