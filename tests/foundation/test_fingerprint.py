"""Digests differ exactly where contents differ; values without a stable identity have no digest."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headstart.foundation.fingerprint import array_digest, bytes_digest, file_digest, file_digests, settings_digest

values = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
settings_of_any_kind = st.dictionaries(st.from_regex(r"[a-z]{1,4}", fullmatch=True), values, max_size=6)


@pytest.mark.parametrize("num_bytes", [0, 1, (1 << 20) - 1, 1 << 20, (1 << 20) + 1])
def test_a_file_and_its_bytes_have_the_same_sha256(tmp_path: Path, num_bytes: int) -> None:
    """Reading in pieces changes nothing, at the borders of a piece neither."""
    data = (b"headstart" * (num_bytes // 9 + 1))[:num_bytes]
    (tmp_path / "file").write_bytes(data)
    assert file_digest(tmp_path / "file") == bytes_digest(data) == hashlib.sha256(data).hexdigest()


def test_an_unreadable_file_gives_its_error_in_its_place(tmp_path: Path) -> None:
    """One missing file and one folder among many do not stop the others, and the order is kept."""
    paths = [tmp_path / name for name in ("a", "missing", "b", "folder")]
    paths[0].write_bytes(b"a")
    paths[2].write_bytes(b"b")
    paths[3].mkdir()
    found = file_digests(paths)
    assert [found[0], found[2]] == [bytes_digest(b"a"), bytes_digest(b"b")]
    assert isinstance(found[1], FileNotFoundError)
    assert isinstance(found[3], OSError)


@pytest.mark.parametrize(
    "other",
    [
        np.array([[1, 2, 3], [4, 5, 7]], np.int32),
        np.array([[1, 2, 3], [4, 5, 6]], np.int64),
        np.array([[1, 2, 3], [4, 5, 6]], ">i4"),
        np.array([[1, 2], [3, 4], [5, 6]], np.int32),
        np.array([1, 2, 3, 4, 5, 6], np.int32),
    ],
    ids=["value", "width", "byte order", "shape", "dimensions"],
)
def test_arrays_differ_by_value_type_and_shape(other: np.ndarray[Any, Any]) -> None:
    """Equal bytes under another type or shape are another array."""
    assert array_digest(other) != array_digest(np.array([[1, 2, 3], [4, 5, 6]], "<i4"))


def test_strides_are_no_part_of_an_array() -> None:
    """A view, transposed or stepped, has the digest of its copy."""
    array = np.arange(24).reshape(4, 6)
    assert array_digest(array.T) == array_digest(array.T.copy())
    assert array_digest(array[::2, ::-1]) == array_digest(array[::2, ::-1].copy())


def test_an_array_of_objects_has_no_digest() -> None:
    """Its bytes are addresses, another set in every process: no identity, so nothing may be cached under it."""
    with pytest.raises(TypeError):
        array_digest(np.array(["cat", None], dtype=object))


@given(settings_of_any_kind)
def test_settings_have_one_digest_whatever_their_order(settings: dict[str, Any]) -> None:
    """The order in which settings are named says nothing."""
    backwards = dict(reversed(settings.items()))
    assert settings_digest(**settings) == settings_digest(**backwards)


@given(settings_of_any_kind, settings_of_any_kind)
def test_different_settings_have_different_digests(one: dict[str, Any], two: dict[str, Any]) -> None:
    """A value, its type or its name: whatever differs is another key."""
    same = repr(sorted(one.items())) == repr(sorted(two.items()))
    assert (settings_digest(**one) == settings_digest(**two)) == same


@pytest.mark.parametrize("value", [Path("weights"), {1, 2}, object(), np.float32(1)])
def test_a_setting_that_is_not_json_is_refused(value: object) -> None:
    """What cannot be written down cannot be compared."""
    with pytest.raises(TypeError):
        settings_digest(value=value)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_setting_that_is_no_number_is_refused(value: float) -> None:
    """NaN is unlike itself, so it makes no key."""
    with pytest.raises(ValueError, match="not JSON compliant"):
        settings_digest(value=value)
