"""Row numbers: whole numbers in step with the rows, or that repeat less often than chance allows."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from headstart.data.tables.row_counters import numbering_columns, numbers_rows


@given(
    st.integers(0, 2**32),
    st.integers(250, 600),
    st.floats(0.3, 1),
    st.integers(1, 1000),
    st.integers(-(10**9), 10**9),
    st.sampled_from(["up", "down", "shuffled"]),
)
def test_row_numbers_are_known_whatever_became_of_the_rows(
    seed: int, size: int, share: float, step: int, start: int, order: str
) -> None:
    """In steps of any size from anywhere, in any order, with up to seven of ten rows taken out."""
    random = np.random.default_rng(seed)
    kept = np.sort(random.permutation(size)[: int(share * size)])
    numbers = {"up": kept, "down": kept[::-1], "shuffled": random.permutation(kept)}[order]
    assert numbers_rows(numbers * float(step) + start, np.arange(len(kept)))


def test_measurements_are_no_row_numbers() -> None:
    """Of 1000 columns of whole numbers from any range, sorted or not, hardly one is taken for row numbers."""
    random = np.random.default_rng(0)
    found = 0
    for _ in range(1000):
        size, width = random.integers(20, 500), 10 ** random.uniform(1, 6)
        values = np.rint(random.uniform(0, width, size))
        found += numbers_rows(np.sort(values) if random.random() < 0.5 else values, np.arange(size))
    assert found <= 1


def test_few_rows_and_fractions_are_no_row_numbers() -> None:
    """Nor are cells that are all the same."""
    for values in (np.arange(9.0), np.arange(100) / 2, np.ones(100), np.zeros(0), np.full(30, np.inf)):
        assert not numbers_rows(values, np.arange(len(values)))


def test_permutations_of_a_designed_experiment_are_features() -> None:
    """Several columns without repeats are no numberings of the rows; beside one that is in step they stay too."""
    random = np.random.default_rng(0)
    rows = np.arange(64)
    design = {name: (random.permutation(100)[:64].astype(float), rows) for name in ("load", "gain", "bias")}
    assert numbering_columns(design) == set()
    assert numbering_columns(design | {"n": (rows + 5.0, rows)}) == {"n"}
    assert numbering_columns({"load": design["load"]}) == {"load"}
