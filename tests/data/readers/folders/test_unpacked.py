"""Archives of images are read like the folders they were made from, within bounds; paths are those in the archive."""

from __future__ import annotations

import io
import os
import shutil
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from headstart.data.readers.folders import archive_members, unpacked
from headstart.data.readers.folders.folder import read_folder
from headstart.data.readers.read import read
from headstart.foundation.cache.cache_folder import cache_folder
from headstart.foundation.errors import HeadstartError
from headstart.foundation.fingerprint import bytes_digest


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADSTART_CACHE", str(tmp_path / "cache"))


CLASSES = {f"{name}/{i}.jpg": f"{name}{i}".encode() for name in ("cat", "dog") for i in range(2)}


def zipped(path: Path, files: dict[str, bytes], **settings: int) -> Path:
    """A zip archive."""
    with zipfile.ZipFile(path, "w", **settings) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def tarred(path: Path, files: dict[str, bytes], *others: tarfile.TarInfo, mode: str = "w:gz") -> Path:
    """A tar archive, with other members after its files."""
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
        for other in others:
            archive.addfile(other)
    return path


def special(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    """A link or a device."""
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, target
    return member


@pytest.mark.parametrize(
    ("name", "mode"),
    [("p.zip", ""), ("p.tar", "w"), ("p.tar.gz", "w:gz"), ("p.tgz", "w:gz"), ("p.tar.bz2", "w:bz2"), ("p.TAR.XZ", "w:xz")],
)
def test_archive_is_read_like_its_folder(tmp_path: Path, name: str, mode: str) -> None:
    """By both doors; the paths are those in the archive, the files lie in the cache, for their owner alone."""
    path = tmp_path / name
    archive = tarred(path, CLASSES, mode=mode) if mode else zipped(path, CLASSES)
    for dataset in (read(archive), read_folder(archive)):
        assert (dataset.name, dataset.paths, dataset.classes) == ("p", tuple(CLASSES), ("cat", "dog"))
        assert dataset.digests == tuple(map(bytes_digest, CLASSES.values()))
        assert [Path(file).read_bytes() for file in dataset.files] == [*CLASSES.values()]
        assert dataset.take([3]).file(0).read_bytes() == b"dog1"
        assert all(Path(file).is_relative_to(cache_folder() / "pictures") for file in dataset.files)
        assert {Path(file).stat().st_mode & 0o777 for file in dataset.files} == {0o600}
    assert [entry.name for entry in tmp_path.iterdir() if entry.name != "cache"] == [name]


def test_data_set_does_not_depend_on_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So a run is resumed after the cache was cleared or moved; data sets of two archives can be joined."""
    archive = zipped(tmp_path / "p.zip", CLASSES)
    first = read(archive)
    monkeypatch.setenv("HEADSTART_CACHE", str(tmp_path / "other"))
    assert read(archive).digest() == first.digest()
    second = read(zipped(tmp_path / "q.zip", {name: content * 2 for name, content in CLASSES.items()}))
    both = first.plus(second)
    assert [Path(file).read_bytes() for file in both.files[3:5]] == [b"dog1", b"cat0cat0"]
    assert first.plus(first).paths == (*CLASSES, *CLASSES)


def test_archive_is_unpacked_once_and_again_if_a_file_has_changed(tmp_path: Path) -> None:
    """A flipped bit, a missing or an additional file is found by the digests."""
    archive = zipped(tmp_path / "p.zip", CLASSES)
    dataset = read(archive)
    file = dataset.file(0)
    before = file.stat().st_ino
    assert read(archive).file(0).stat().st_ino == before
    for change in (lambda: file.write_bytes(b"cat9"), file.unlink, file.with_name("new.jpg").touch):
        change()
        again = read(archive)
        assert (again.paths, again.digests) == (dataset.paths, dataset.digests)


def test_hidden_files_links_devices_and_archives_are_listed_as_skipped(tmp_path: Path) -> None:
    """Nothing disappears silently, and nothing outside the archive is read."""
    inside = {**CLASSES, "__MACOSX/cat/._0.jpg": b"x", "cat/.DS_Store": b"x", "more.zip": b"PK", "cat/more.tar.gz": b"x"}
    reasons = {
        "__MACOSX/cat/._0.jpg": "hidden or a system file",
        "cat/.DS_Store": "hidden or a system file",
        "more.zip": "an archive in the archive",
        "cat/more.tar.gz": "an archive in the archive",
    }
    dataset = read(zipped(tmp_path / "p.zip", inside))
    assert (dataset.paths, dict(dataset.skipped)) == (tuple(CLASSES), reasons)
    others = {
        "cat/link.jpg": special("cat/link.jpg", tarfile.SYMTYPE, "/etc/hostname"),
        "cat/hard.jpg": special("cat/hard.jpg", tarfile.LNKTYPE, "cat/0.jpg"),
        "cat/pipe.jpg": special("cat/pipe.jpg", tarfile.FIFOTYPE),
    }
    dataset = read(tarred(tmp_path / "p.tar.gz", inside, *others.values()))
    assert dict(dataset.skipped) == {**reasons, **dict.fromkeys(others, "a link or a device in the archive")}
    link = zipfile.ZipInfo("cat/link.jpg")
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(zipped(tmp_path / "q.zip", CLASSES), "a") as archive:
        archive.writestr(link, "/etc/hostname")
    assert dict(read(tmp_path / "q.zip").skipped) == {"cat/link.jpg": "a link in the archive"}


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_last_of_several_files_of_one_name_counts(tmp_path: Path) -> None:
    """As in an archive that was added to; the others are listed."""
    with zipfile.ZipFile(zipped(tmp_path / "p.zip", CLASSES), "a") as archive:
        archive.writestr("cat/0.jpg", b"new")
    dataset = read(tmp_path / "p.zip")
    assert dataset.digests[0] == bytes_digest(b"new")
    assert dict(dataset.skipped) == {"cat/0.jpg": "a later file of the archive has the same name"}


def test_names_of_other_systems(tmp_path: Path) -> None:
    """Backslashes of Windows in a zip archive, ``./`` of tar, blanks, line breaks and bytes that are no UTF-8."""
    dataset = read(zipped(tmp_path / "p.zip", {name.replace("/", "\\"): content for name, content in CLASSES.items()}))
    assert dataset.paths == tuple(CLASSES)
    odd = {f"./my photos/{name[:-4]}\n{os.fsdecode(bytes([233]))}.jpg": content for name, content in CLASSES.items()}
    dataset = read(tarred(tmp_path / "p.tar", odd, mode="w"))
    assert dataset.paths == tuple(name[2:] for name in odd)
    assert read(tmp_path / "p.tar").digest() == dataset.digest()


@pytest.mark.parametrize(("write", "name"), [(zipped, "p.zip"), (tarred, "p.tar.gz")], ids=["zip", "tar"])
def test_names_that_no_file_can_have_are_listed_as_skipped(tmp_path: Path, write: Callable[..., Path], name: str) -> None:
    """Too long a name, and a file that is a folder of others too: the first in the archive counts."""
    long, deep = f"cat/{'x' * 300}.jpg", "/".join(["cat", *["y" * 200] * 25, "1.jpg"])
    others = (long, deep, "cat/0.jpg/1.jpg", "cat/0.jpg/2/3.jpg", "dog")
    path = write(tmp_path / name, {**CLASSES, **dict.fromkeys(others, b"x")})
    dataset = read(path)
    assert dataset.paths == tuple(CLASSES)
    assert {*dict(dataset.skipped)} == {*others}
    assert all(reason.startswith("cannot be unpacked: ") for _, reason in dataset.skipped)
    assert read(path).skipped == dataset.skipped  # from the cache


@pytest.mark.parametrize("name", ["../evil.jpg", "/tmp/evil.jpg", "cat/../../evil.jpg", "C:/evil.jpg", "..\\evil.jpg"])
@pytest.mark.parametrize("kind", [".zip", ".tar.gz"])
def test_unsafe_path_is_rejected(tmp_path: Path, name: str, kind: str) -> None:
    """H136, and nothing of the archive stays in the cache."""
    make = zipped if kind == ".zip" else tarred
    if kind != ".zip" and "\\" in name:
        return  # a plain name outside Windows
    with pytest.raises(HeadstartError, match=r"H136(.|\n)*evil") as caught:
        read(make(tmp_path / f"p{kind}", {**CLASSES, name: b"x"}))
    assert "headstart fit p" in caught.value.advice
    assert not [file for file in (tmp_path / "cache").rglob("*") if file.suffix == ".jpg"]
    assert not (tmp_path / "evil.jpg").exists()


def test_archive_that_unpacks_to_too_much_is_rejected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """H123 by one file, by all files, by the number of files and by the size of a header; the cache keeps none of it."""
    zeros = {f"cat/{i}.jpg": bytes(300_000) for i in range(4)}
    packed = {"compression": zipfile.ZIP_DEFLATED}
    monkeypatch.setattr("headstart.data.tables.files.archives._ALWAYS_BYTES", 100_000)
    with pytest.raises(HeadstartError, match="H123"):
        read(zipped(tmp_path / "one.zip", zeros, **packed))
    monkeypatch.undo()
    monkeypatch.setenv("HEADSTART_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(archive_members, "_ALWAYS_BYTES", 1_000_000)
    for archive in (zipped(tmp_path / "p.zip", zeros, **packed), tarred(tmp_path / "p.tar.gz", zeros)):
        with pytest.raises(HeadstartError, match="H123"):
            read(archive)
    monkeypatch.setattr(archive_members, "_MAX_MEMBERS", 3)
    for archive in (zipped(tmp_path / "q.zip", CLASSES), tarred(tmp_path / "q.tar.gz", CLASSES)):
        with pytest.raises(HeadstartError, match="H123"):
            read(archive)
    assert not [file for file in (tmp_path / "cache").rglob("*") if file.suffix == ".jpg"]


def test_header_is_not_read_into_memory_whatever_size_it_claims(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tar archive whose extended header is larger than any real one."""
    monkeypatch.setattr(archive_members, "_MAX_HEADER_BYTES", 10_000)
    with tarfile.open(tmp_path / "p.tar.gz", "w:gz", format=tarfile.PAX_FORMAT) as archive:
        for name in [*CLASSES, "cat/big.jpg"]:
            member = tarfile.TarInfo(name)
            member.pax_headers = {"comment": "x" * 50_000} if "big" in name else {}
            archive.addfile(member)
    with pytest.raises(HeadstartError, match=r"H135(.|\n)*header"):
        read(tmp_path / "p.tar.gz")


def test_archive_for_which_the_disk_has_no_room_is_rejected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """H601 says how much is free."""
    free = SimpleNamespace(free=unpacked._RESERVE_BYTES + 5)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: free)
    with pytest.raises(HeadstartError, match=r"H601(.|\n)*5 bytes are free for files of p.zip, which take 8 or more"):
        read(zipped(tmp_path / "p.zip", CLASSES))


@pytest.mark.parametrize("name", ["p.zip", "p.tar.gz", "p.tar"])
def test_damaged_archive_is_an_error(tmp_path: Path, name: str) -> None:
    """H135, whether it is cut or a byte has changed; the command in the advice can be typed."""
    files = {name: os.urandom(5000) for name in CLASSES}
    path, mode = tmp_path / name, "w:gz" if name.endswith(".gz") else "w"
    archive = zipped(path, files) if name == "p.zip" else tarred(path, files, mode=mode)
    content = bytearray(archive.read_bytes())
    if name == "p.zip":
        content[1000] ^= 1
    else:
        content = content[: len(content) // 2]
    archive.write_bytes(content)
    with pytest.raises(HeadstartError, match="H135") as caught:
        read(archive)
    assert "mkdir p && " in caught.value.advice
    assert "&& headstart fit p" in caught.value.advice
    assert not [file for file in (tmp_path / "cache").rglob("*") if file.suffix == ".jpg"]


def test_encrypted_archive_is_named(tmp_path: Path) -> None:
    """H135; unzip asks for the password."""
    archive = zipped(tmp_path / "p.zip", CLASSES)
    content = bytearray(archive.read_bytes())
    place = content.index(b"PK\x01\x02")
    content[place + 8] |= 1  # the flag in the directory
    archive.write_bytes(content)
    with pytest.raises(HeadstartError, match=r"H135(.|\n)*0.jpg is encrypted"):
        read(archive)


def test_errors_name_the_archive(tmp_path: Path) -> None:
    """And no path of the cache."""
    archive = zipped(tmp_path / "p.zip", {"photos/cat/1.jpg": b"1", "photos/cat/2.jpg": b"2"})
    with pytest.raises(HeadstartError, match="H101") as caught:
        read(archive)
    assert "cache" not in str(caught.value)
    assert str(archive) in str(caught.value)


def test_archives_of_tables_are_tables(tmp_path: Path) -> None:
    """A table with a picture beside it, in an archive, is read as it was; so is a table that lists images elsewhere."""
    rows = b"size,label\n" + b"".join(b"%d,%s\n" % (i, b"ab"[i % 2 : i % 2 + 1]) for i in range(8))
    assert read(zipped(tmp_path / "p.zip", {"t.csv": rows})).table is not None
    dataset = read(zipped(tmp_path / "q.zip", {"t.csv": rows, "plot.png": b"x"}))
    assert (dataset.table is not None, dataset.root, len(dataset)) == (True, "", 8)
