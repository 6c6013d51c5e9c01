"""The feature store: whole records or none, whoever is killed, whatever is damaged, and however many share it."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headstart.features.feature_store import Record, Store
from headstart.foundation.cache import row_database
from headstart.foundation.cache.cache_folder import cache_folder
from headstart.foundation.errors import StackError

SPACE = hashlib.sha256(b"space").hexdigest()


def digest(number: int) -> str:
    """A digest as samples have them."""
    return hashlib.sha256(str(number).encode()).hexdigest()


def record(number: int) -> Record:
    """A value of some kilobytes that can be told from every other."""
    return Record(hashlib.sha512(str(number).encode()).digest() * 50, number / 8)


def child(code: str, *arguments: object) -> subprocess.Popen[str]:
    """A Python process with the names of this module and a ``store`` in the folder of its first argument."""
    prelude = "import sys; sys.path.insert(0, {!r}); from test_feature_store import *; store = Store(Path(sys.argv[1]))"
    program = prelude.format(str(Path(__file__).parent)) + "\n" + textwrap.dedent(code)
    command = [sys.executable, "-c", program, *map(str, arguments)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def told(stream: IO[str] | None) -> str:
    """The next line that a child writes."""
    assert stream is not None
    return stream.readline().strip()


def overwrite(store: Store, number: int, entry: bytes) -> None:
    """Put bytes under a record's key behind the store's back."""
    with store._database.begin(write=True) as transaction:
        assert transaction.put(bytes.fromhex(SPACE) + bytes.fromhex(digest(number)), entry)


def raw(store: Store, number: int) -> bytes:
    """The bytes under a record's key."""
    with store._database.begin() as transaction:
        return bytes(transaction.get(bytes.fromhex(SPACE) + bytes.fromhex(digest(number))))


@given(values=st.dictionaries(st.integers(0, 50), st.binary(max_size=5000), max_size=8), asked=st.lists(st.integers(0, 50)))
@settings(max_examples=40, deadline=None)
def test_store_reads_records_in_the_requested_order(
    tmp_path_factory: pytest.TempPathFactory, values: dict[int, bytes], asked: list[int]
) -> None:
    """Values are read byte for byte, including empty ones, with None for missing records."""
    store = Store(tmp_path_factory.mktemp("store"))
    store.write(SPACE, [(digest(number), Record(value, 0.25)) for number, value in values.items()])
    expected = [Record(values[number], 0.25) if number in values else None for number in asked]
    assert store.read(SPACE, [digest(number) for number in asked]) == expected


def test_store_keeps_spaces_apart(tmp_path: Path) -> None:
    """A sample has a separate record in each space, and a second write replaces the first."""
    store, other = Store(tmp_path), hashlib.sha256(b"other").hexdigest()
    store.write(SPACE, [(digest(1), record(1))])
    store.write(other, [(digest(1), record(2))])
    store.write(SPACE, [(digest(1), record(3))])
    assert store.read(SPACE, [digest(1)]) == [record(3)]
    assert store.read(other, [digest(1)]) == [record(2)]


def test_store_counters_belong_to_the_object(tmp_path: Path) -> None:
    """Each object counts its own reads, writes and damaged values, although objects share a database."""
    first, second = Store(tmp_path), Store(tmp_path)
    first.write(SPACE, [(digest(i), record(i)) for i in range(5)])
    overwrite(first, 4, b"damaged all through")
    second.read(SPACE, [digest(i) for i in range(10)])
    assert (first.num_written, first.num_read, first.num_damaged) == (5, 0, 0)
    assert (second.num_written, second.num_read, second.num_damaged) == (0, 4, 1)


def test_store_detects_a_flipped_byte(tmp_path: Path) -> None:
    """Checksum, seconds or value: a record with any byte changed is missing and counted as damaged."""
    store = Store(tmp_path)
    store.write(SPACE, [(digest(1), Record(b"a row of numbers", 1.5))])
    whole = raw(store, 1)
    for position in range(len(whole)):
        overwrite(store, 1, whole[:position] + bytes([whole[position] ^ 0x10]) + whole[position + 1 :])
        assert store.read(SPACE, [digest(1)]) == [None]
    assert store.num_damaged == len(whole)
    store.write(SPACE, [(digest(1), record(1))])
    assert store.read(SPACE, [digest(1)]) == [record(1)]


def test_store_detects_a_truncated_record(tmp_path: Path) -> None:
    """A record that ends early, even inside its header, is counted as damaged."""
    store = Store(tmp_path)
    store.write(SPACE, [(digest(1), Record(b"a row", 1.5))])
    whole = raw(store, 1)
    for length in range(len(whole)):
        overwrite(store, 1, whole[:length])
        assert store.read(SPACE, [digest(1)]) == [None]
    assert store.num_damaged == len(whole)


def test_store_writes_nothing_after_an_error(tmp_path: Path) -> None:
    """A transaction stores all of its records or none, also if creating them fails."""
    store = Store(tmp_path)

    def some() -> Iterator[tuple[str, Record]]:
        yield digest(1), record(1)
        raise RuntimeError("no more")

    with pytest.raises(RuntimeError, match="no more"):
        store.write(SPACE, some())
    assert store.read(SPACE, [digest(1)]) == [None]
    assert store.num_written == 0


def test_killed_writer_leaves_complete_transactions(tmp_path: Path) -> None:
    """A writer killed in its third transaction leaves two, and the next writer does not have to wait."""
    writer = child(
        """
        def records(start):
            for number in range(start, start + 40):
                yield digest(number), record(number)
                if number == 100:
                    print("halfway", flush=True)
                    sys.stdin.read()  # until killed

        for start in (0, 40, 80):
            store.write(SPACE, records(start))
        """,
        tmp_path,
    )
    assert told(writer.stdout) == "halfway"
    writer.kill()
    writer.communicate()
    store = Store(tmp_path)
    assert store.read(SPACE, [digest(i) for i in range(120)]) == [record(i) for i in range(80)] + [None] * 40
    store.write(SPACE, [(digest(i), record(i)) for i in range(80, 120)])
    assert store.read(SPACE, [digest(i) for i in range(120)]) == [record(i) for i in range(120)]
    assert store.num_damaged == 0


def test_writer_killed_at_any_moment_leaves_complete_transactions(tmp_path: Path) -> None:
    """Killed while it commits without a pause, a writer leaves each transaction complete or absent."""
    writer = child(
        """
        for start in range(0, 4000, 10):
            store.write(SPACE, [(digest(number), record(number)) for number in range(start, start + 10)])
            print(start, flush=True)
        """,
        tmp_path,
    )
    while told(writer.stdout) != "300":
        pass
    writer.kill()
    writer.communicate()
    found = Store(tmp_path).read(SPACE, [digest(i) for i in range(4000)])
    count = sum(entry is not None for entry in found)
    assert count >= 310
    assert count % 10 == 0
    assert found == [record(i) for i in range(count)] + [None] * (4000 - count)


def test_eight_processes_share_a_store(tmp_path: Path) -> None:
    """All write and read at the same time: no process sees a partial record, and in the end all records exist."""
    code = """
        print("ready", flush=True)
        sys.stdin.readline()
        me = int(sys.argv[2])
        for turn in range(6):
            own = range(100 * me + 10 * turn, 100 * me + 10 * turn + 10)
            store.write(SPACE, [(digest(number), record(number)) for number in [*own, 5000 + turn]])
            found = store.read(SPACE, [digest(number) for number in range(800)])
            assert all(entry in (None, record(number)) for number, entry in enumerate(found))
            assert None not in [found[number] for number in own]
        print(store.num_damaged, flush=True)
        """
    children = [child(code, tmp_path, me) for me in range(8)]
    assert [told(process.stdout) for process in children] == ["ready"] * 8
    for process in children:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    assert [process.communicate()[0].strip() for process in children] == ["0"] * 8
    assert [process.returncode for process in children] == [0] * 8
    numbers = [100 * me + i for me in range(8) for i in range(60)] + [5000 + turn for turn in range(6)]
    assert Store(tmp_path).read(SPACE, [digest(i) for i in numbers]) == [record(i) for i in numbers]


@pytest.mark.parametrize(
    "garbage",
    [b"text", b"text" * 5000, bytes(40_000), b"\xff" * 9000],
    ids=["short", "text", "zeros", "ones"],
)
def test_store_sets_aside_a_file_that_is_not_a_database(tmp_path: Path, garbage: bytes) -> None:
    """The file keeps its bytes under another name, and the store starts empty."""
    (tmp_path / "data.mdb").write_bytes(garbage)
    store = Store(tmp_path)
    assert store.read(SPACE, [digest(1)]) == [None]
    store.write(SPACE, [(digest(1), record(1))])
    assert store.read(SPACE, [digest(1)]) == [record(1)]
    assert [path.read_bytes() for path in tmp_path.glob("data.damaged-*.mdb")] == [garbage]


@pytest.mark.parametrize("position", [16, 20, 40], ids=["magic", "version", "page size"])
def test_store_sets_aside_a_database_with_a_damaged_header(tmp_path: Path, position: int) -> None:
    """Also if the first page was written by another format of LMDB."""
    with_child(tmp_path)
    whole = (tmp_path / "data.mdb").read_bytes()
    damaged = whole[:position] + bytes([whole[position] ^ 0xFF]) + whole[position + 1 :]
    (tmp_path / "data.mdb").write_bytes(damaged)
    assert Store(tmp_path).read(SPACE, [digest(1)]) == [None]
    assert [path.read_bytes() for path in tmp_path.glob("data.damaged-*.mdb")] == [damaged]


def test_store_reports_lost_pages(tmp_path: Path) -> None:
    """If pages after the header are lost, reading and writing give H601 instead of LMDB's own error."""
    with_child(tmp_path)
    data = tmp_path / "data.mdb"
    store = Store(tmp_path)
    head = 2 * store._database.stat()["psize"]
    with data.open("r+b") as file:
        file.seek(head)
        file.write(bytes(data.stat().st_size - head))
    with pytest.raises(StackError, match="H601"):
        store.read(SPACE, [digest(1)])
    with pytest.raises(StackError, match="H601"):
        store.write(SPACE, [(digest(2), record(2))])


def with_child(folder: Path) -> None:
    """Write a record from another process, so that this one holds no handle."""
    writer = child("store.write(SPACE, [(digest(1), record(1))])", folder)
    writer.communicate()
    assert writer.returncode == 0


def test_store_survives_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A write without room gives H601 with the folder, writes nothing, and keeps earlier records."""
    monkeypatch.setattr(row_database, "_MAP_BYTES", 1 << 17)
    store = Store(tmp_path)
    store.write(SPACE, [(digest(1), record(1))])
    with pytest.raises(StackError) as caught:
        store.write(SPACE, [(digest(i), record(i)) for i in range(2, 100)])
    assert caught.value.code == "H601"
    assert str(tmp_path) in caught.value.received
    assert store.read(SPACE, [digest(i) for i in range(1, 100)]) == [record(1)] + [None] * 98
    assert store.num_written == 1


def test_store_reports_an_impossible_folder(tmp_path: Path) -> None:
    """A file in place of the folder gives H601."""
    (tmp_path / "file").write_text("here already")
    with pytest.raises(StackError, match="H601"):
        Store(tmp_path / "file" / "features")


def test_cache_folder_follows_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """HEADSTART_CACHE wins, with ``~`` for the home folder; otherwise the cache is where the system has caches."""
    monkeypatch.setenv("HEADSTART_CACHE", str(tmp_path))
    assert cache_folder() == tmp_path
    monkeypatch.setenv("HEADSTART_CACHE", "~/somewhere")
    assert cache_folder() == Path.home() / "somewhere"
    monkeypatch.delenv("HEADSTART_CACHE")
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "headstart"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_folder() == Path.home() / ".cache" / "headstart"
    monkeypatch.setattr(sys, "platform", "darwin")
    assert cache_folder() == Path.home() / "Library" / "Caches" / "headstart"
