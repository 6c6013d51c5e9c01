"""The rows of features that Part A made of a data set, read from the store when they are asked for."""

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

SHAPE = struct.Struct("<cB")  # numpy's letter of the type, and how many dimensions follow, each as SIDE

SIDE = struct.Struct("<I")


class Extraction(NamedTuple):
    """How far an extraction is."""

    done: int
    total: int
    num_computed: int
    seconds: float


class Views(NamedTuple):
    """Which view of each sample is meant.

    Attributes:
        numbers: One a sample; 0 is the image as it is, others are augmented copies.
        augmentation: What makes them.
        seed: From which, with the image's content and the view's number, its randomness is drawn.
    """

    numbers: tuple[int, ...]
    augmentation: Augmentation | None = None
    seed: int = 0


class FeatureRows(Protocol):
    """What training, evaluation and reports ask of the features of a data set: of images, or of a table.

    Attributes:
        part: The Part A that made them.
        seconds: What all the rows cost when they were computed.
        failures: Reason by sample position, where a sample gave no row.
        unreached: Positions that a deadline left out.
        facts: What was seen of each image while it was decoded; empty for a table.
        thumbnails: ``(n, 16, 16)`` uint8 grey; None for a table.
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
        """How many codes each of the last columns has, which are codes of categories; empty for images."""
        ...

    def __len__(self) -> int: ...

    def rows(self, indices: Sequence[int] | Array) -> Array:
        """Rows of the samples at ``indices``, in their order."""
        ...

    def take(self, indices: Sequence[int]) -> Self:
        """The features of these samples alone, in this order."""
        ...

    def plus(self, other: Self) -> Self:
        """The features of both, in this order; both were made by one Part A."""
        ...

    def learned_on(self, dataset: Dataset) -> FeatureRows:
        """The features of the samples after whatever is learned from training rows was learned on their split."""
        ...

    def skipped(self, dataset: Dataset) -> tuple[list[Skipped], list[int]]:
        """Samples without a row, as they are listed, and their positions."""
        ...


@dataclass
class Features:
    """What Part A made of a data set: a row for every sample, read from the store when it is asked for.

    Attributes:
        part: The Part A that made them.
        spaces: The store's space of each sample's row.
        digests: The content of each sample.
        num_cached: Rows that were in the store before.
        num_computed: Rows computed now.
        seconds: What all the rows cost when they were computed.
        failures: Reason by sample position, where a file gave no row.
        thumbnails: ``(n, 16, 16)`` uint8 grey, zeros where a file gave none.
        facts: What the decoder saw of each file: width, height, format, mode, animated, profile, blank.
        unreached: Positions that the deadline left out.
        engine: Name and reason of the engine that computed rows now; empty where none was needed.
        num_damaged: Stored rows that failed their checksum and were computed again.
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
        """Rows of the samples at ``indices``: ``(n, features)`` float32, or feature maps and pixels as they are stored.

        The array is a map of a file: rows that are not in use take no memory.

        Raises:
            StackError: The store has lost rows (H602), or the disk has no room for the map (H601).
        """
        chosen = np.asarray(indices, np.int64)
        place: list[Array] = []  # the array, once the first row tells its shape
        found = 0

        def fill(position: int, value: memoryview, _seconds: float) -> None:
            nonlocal found
            row = _unpack_row(value)
            if not place:
                place.append(mapped_array((len(chosen), *row.shape), row.dtype))
            elif row.dtype.itemsize > place[0].dtype.itemsize:  # its values do not fit into half precision
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
                received=f"{len(chosen) - found} of {len(chosen)} rows, lost or damaged since they were computed",
                expected="a store that nobody empties while it is in use",
                advice="run the command again: lost rows are computed anew",
                exit_code=1,
            )
        return place[0]

    def _by_space(self, indices: Array) -> dict[str, list[int]]:
        positions: dict[str, list[int]] = defaultdict(list)
        for position, i in enumerate(indices):
            positions[self.spaces[int(i)]].append(position)
        return positions

    def take(self, indices: Sequence[int]) -> Features:
        """The features of these samples only, in this order."""
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
        """The features of both, these first; made by the same Part A."""
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
        """These features: nothing in them was learned from a split."""
        return self

    @property
    def code_sizes(self) -> list[int]:
        """None: images have no categories."""
        return []

    def skipped(self, dataset: Dataset) -> tuple[list[Skipped], list[int]]:
        """What to list as skipped, and the positions to drop, for files that gave no row."""
        reasons = self.failures | dict.fromkeys(self.unreached, "not reached within the budget")
        return [Skipped(dataset.paths[i], reason) for i, reason in sorted(reasons.items())], sorted(reasons)


def _unpack_row(value: memoryview) -> Array:
    letter, num_sides = SHAPE.unpack_from(value)
    start = SHAPE.size + num_sides * SIDE.size
    shape = [SIDE.unpack_from(value, SHAPE.size + n * SIDE.size)[0] for n in range(num_sides)]
    return np.frombuffer(value, np.dtype(letter.decode("ascii")), offset=start).reshape(shape)
