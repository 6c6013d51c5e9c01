"""Arrays of images in ``.npz`` files are samples, and every array is used, listed or an error."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from headstart.data.readers.read import read
from headstart.data.skipped import Skipped
from headstart.foundation.errors import DatasetError

LABELS = np.arange(20) % 2


def images(number: int, *shape: int) -> np.ndarray[Any, Any]:
    """Different pictures."""
    return np.random.default_rng(number).integers(0, 256, (number, *(shape or (8, 8))), dtype=np.uint8)


@pytest.mark.parametrize(
    ("others", "reasons"),
    [
        ({"x_test": images(3)}, {"x_test": "the file has no labels for x_test"}),
        ({"y_test": LABELS[:3]}, {"y_test": "the file has no images for y_test"}),
        (
            {"x_test": images(4), "y_test": LABELS[:4], "images": images(3), "labels": LABELS[:3]},
            dict.fromkeys(("images", "labels"), "in none of the splits of the file"),
        ),
        ({"train_images": images(3)}, {"train_images": "the file has another array of this kind"}),
    ],
    ids=["no labels", "no images", "no split", "twice"],
)
def test_arrays_that_are_not_used_are_listed(tmp_path: Path, others: dict[str, Any], reasons: dict[str, str]) -> None:
    """Each of their samples is skipped, and a note names them."""
    np.savez(tmp_path / "a.npz", x_train=images(20), y_train=LABELS, **others)
    dataset = read(tmp_path / "a.npz")
    assert dataset.counts("train") == {"0": 10, "1": 10}
    assert dataset.skipped == tuple(Skipped(f"{name}[{i}]", why) for name, why in reasons.items() for i in range(3))
    assert f"not used: {', '.join(reasons)}" in dataset.task_reason


@pytest.mark.parametrize(
    "others",
    [
        {"x_test": images(8, 9, 9), "y_test": LABELS[:8]},
        {"x_test": images(8, 8, 8, 3), "y_test": LABELS[:8]},
        {"x_test": images(8), "y_test": np.eye(2)[LABELS[:8]]},
        {"x_test": images(8), "y_test": LABELS[:7]},
    ],
    ids=["size", "channels", "one-hot", "number"],
)
def test_shapes_that_do_not_match_are_named(tmp_path: Path, others: dict[str, Any]) -> None:
    """H134 with the shapes of all arrays."""
    np.savez(tmp_path / "a.npz", x_train=images(20), y_train=LABELS, **others)
    with pytest.raises(DatasetError) as caught:
        read(tmp_path / "a.npz")
    assert caught.value.code == "H134"
    assert f"x_test {others['x_test'].shape}, y_test {others['y_test'].shape}" in caught.value.received


def test_labels_in_a_column_go_with_labels_in_a_row(tmp_path: Path) -> None:
    """Shape (n, 1) is the same as (n,)."""
    np.savez(tmp_path / "a.npz", x_train=images(20), y_train=LABELS, x_test=images(8), y_test=LABELS[:8, None])
    assert read(tmp_path / "a.npz").counts("test") == {"0": 4, "1": 4}
