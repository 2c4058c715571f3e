import shutil
import subprocess
import threading
import zlib
from pathlib import Path

import py7zr
import pytest
from conftest import tiny_members

from cifar10.core.config import InputError
from cifar10.images import archives, seven_zip
from cifar10.images.archives import ImageArchive, image_id, open_images
from cifar10.images.codec import MAX_ENCODED_BYTES
from cifar10.images.seven_zip import write_7z

MEMBERS = tiny_members("train", 12)
SEVEN_ZIP = shutil.which("7zz")
BCJ2 = "-m0=BCJ2 -m1=LZMA -m2=LZMA:d18 -m3=LZMA:d18 -mb0:1 -mb0s1:2 -mb0s2:3"
CONTENTS = {number: data for number, (_, data) in enumerate(MEMBERS, 1)}


@pytest.fixture(params=["py7zr", "7zz"], autouse=True)
def decompressor(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test runs with either of the two."""
    if request.param == "py7zr":
        monkeypatch.setattr(shutil, "which", lambda program: None)
    elif shutil.which("7zz") is None:
        pytest.skip("7-Zip is not installed (Debian: 7zip)")


def contents(path: Path) -> dict[int, bytes]:
    with open_images(path).read() as members:
        return {member.id: data for member, data in members}


@pytest.mark.parametrize("compress", [True, False])
def test_what_is_written_is_read(tmp_path: Path, compress):
    path = tmp_path / "train.7z"
    write_7z(path, MEMBERS, compress)
    assert [member.id for member in open_images(path).members] == list(range(1, 13))
    assert contents(path) == CONTENTS


def test_the_same_members_make_the_same_file_at_any_time(tmp_path: Path, monkeypatch):
    write_7z(tmp_path / "a.7z", MEMBERS)
    monkeypatch.setattr("time.time", lambda: 2e9)
    write_7z(tmp_path / "b.7z", MEMBERS)
    assert (tmp_path / "a.7z").read_bytes() == (tmp_path / "b.7z").read_bytes()


METHODS = {
    "lzma": [py7zr.FILTER_LZMA],
    "lzma2": [py7zr.FILTER_LZMA2],
    "bcj-lzma": [py7zr.FILTER_X86, py7zr.FILTER_LZMA],
    "bcj-lzma2": [py7zr.FILTER_X86, py7zr.FILTER_LZMA2],
    "bzip2": [py7zr.FILTER_BZIP2],
    "deflate": [py7zr.FILTER_DEFLATE],
    "zstd": [py7zr.FILTER_ZSTD],
    "ppmd": [py7zr.FILTER_PPMD],
    "copy": [py7zr.FILTER_COPY],
}


@pytest.mark.parametrize("blocks", [1, 3])
@pytest.mark.parametrize("method", METHODS)
def test_archives_of_every_method_and_of_many_blocks_are_read(tmp_path: Path, monkeypatch, method, blocks):
    """7-Zip splits large archives into blocks; appending to a file makes some here."""
    monkeypatch.setattr(seven_zip, "PIECE_BYTES", 1000)  # shorter than a member
    quick = {"preset": 1}
    options = {py7zr.FILTER_LZMA: quick, py7zr.FILTER_LZMA2: quick, py7zr.FILTER_PPMD: {"order": 6, "mem": 24}}
    filters = [{"id": number, **options.get(number, {})} for number in METHODS[method]]
    path = tmp_path / "train.7z"
    for part in range(blocks):
        with py7zr.SevenZipFile(path, "a" if part else "w", filters=filters) as archive:
            for name, data in MEMBERS[part::blocks]:
                archive.writestr(data, name)
    assert len(open_images(path).blocks) == blocks
    assert contents(path) == CONTENTS


def test_an_archive_without_members_is_empty(tmp_path: Path):
    write_7z(tmp_path / "test.7z", [])
    assert contents(tmp_path / "test.7z") == {}


@pytest.mark.parametrize("others", [[], MEMBERS[1:]])
def test_members_without_bytes_and_folders_are_no_obstacle(tmp_path: Path, others):
    (tmp_path / "train").mkdir()
    with py7zr.SevenZipFile(tmp_path / "train.7z", "w") as archive:
        archive.write(tmp_path / "train", "train")
        archive.writestr(b"", "train/1.png")
        for name, data in others:
            archive.writestr(data, name)
    assert contents(tmp_path / "train.7z") == {1: b""} | (CONTENTS | {1: b""} if others else {})


def write_plain(path: Path, members: dict[str, bytes], **options) -> Path:
    with py7zr.SevenZipFile(path, "w", **options) as archive:
        for name, data in members.items():
            archive.writestr(data, name)
    return path


@pytest.mark.parametrize("name", ["train/.DS_Store", "__MACOSX/train/._1.png", "train\\Thumbs.db", "Desktop.ini"])
def test_what_systems_leave_in_an_archive_is_passed_over(tmp_path: Path, name):
    members = dict(MEMBERS[:6]) | {name: bytes(3 << 20)} | dict(MEMBERS[6:])
    path = write_plain(tmp_path / "train.7z", members)
    assert [member.id for member in open_images(path).members] == list(range(1, 13))
    assert contents(path) == CONTENTS


@pytest.mark.parametrize("method", ["-m0=ARM64 -m1=LZMA2", BCJ2])
@pytest.mark.skipif(SEVEN_ZIP is None, reason="7-Zip is not installed (Debian: 7zip)")
def test_methods_that_py7zr_lacks_are_left_to_7_zip(tmp_path: Path, method):
    (tmp_path / "train").mkdir()
    for name, data in MEMBERS:
        (tmp_path / name).write_bytes(data)
    pack = [str(SEVEN_ZIP), "a", "-bd", *method.split(), "train.7z", "train"]
    subprocess.run(pack, cwd=tmp_path, check=True, stdout=subprocess.DEVNULL)
    if shutil.which("7zz"):
        assert contents(tmp_path / "train.7z") == CONTENTS
    else:
        with pytest.raises(InputError, match=r"method that py7zr does not know; install 7-Zip"):
            contents(tmp_path / "train.7z")


@pytest.mark.parametrize(
    ("start", "expected"),
    [
        (b"PK\x03\x04", "a zip file named .7z; rename it"),
        (b"\x1f\x8b", "a gzip file (tar.gz) named .7z; unpack it"),
        (b"Rar!\x1a\x07", "a RAR archive named .7z; unpack it"),
    ],
)
def test_an_archive_of_another_kind_is_not_to_be_fetched_again(tmp_path: Path, start, expected):
    (tmp_path / "train.7z").write_bytes(start + bytes(100))
    with pytest.raises(InputError) as error:
        open_images(tmp_path / "train.7z")
    assert expected in str(error.value)
    assert "fetch it again" not in str(error.value)


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ({"train/x.png": b"1"}, "member 'train/x.png' is not an image named by its id (17.png)"),
        ({"train/1.png": b"1", "train/1.txt": b"1"}, "member 'train/1.txt' is not an image"),
        ({"train/a/1.png": b"1"}, "member 'train/a/1.png' is not an image"),
        ({"train/01.png": b"1"}, "member 'train/01.png' is not an image"),
        ({"train/1.png": b"1", "other/1.png": b"2"}, "id 1 is there twice (train/1.png and other/1.png)"),
        ({"train/1.png": b"1", "train/1.jpg": b"2"}, "id 1 is there twice"),
        (
            {"train/1.png": bytes(MAX_ENCODED_BYTES + 1)},
            "train/1.png has 16,777,217 bytes; at most 16,777,216 are read",
        ),
    ],
)
def test_members_outside_the_allow_list_are_refused_before_they_are_read(tmp_path: Path, members, expected):
    path = write_plain(tmp_path / "train.7z", members)
    with pytest.raises(InputError) as error:
        open_images(path)
    assert str(error.value).startswith(f"{path}: {expected}")


def test_more_members_than_any_competition_has_are_refused(tmp_path: Path, monkeypatch):
    path = write_plain(tmp_path / "train.7z", dict(MEMBERS))
    monkeypatch.setattr(archives, "MAX_MEMBERS", len(MEMBERS))
    assert len(open_images(path).members) == len(MEMBERS)
    monkeypatch.setattr(archives, "MAX_MEMBERS", len(MEMBERS) - 1)
    with pytest.raises(InputError, match=r"train\.7z: 12 images; at most 11 are read"):
        open_images(path)


@pytest.mark.parametrize("whole", [False, True])
def test_an_encrypted_archive_is_refused(tmp_path: Path, whole):
    path = write_plain(tmp_path / "train.7z", dict(MEMBERS), password="secret", header_encryption=whole)
    with pytest.raises(InputError, match="encrypted"):
        open_images(path)


@pytest.mark.parametrize("damage", ["text", "empty", "cut", "flipped"])
def test_a_damaged_archive_is_one_line(tmp_path: Path, damage):
    path = tmp_path / "train.7z"
    write_7z(path, MEMBERS)
    whole = path.read_bytes()
    middle = len(whole) // 3
    path.write_bytes(
        {
            "text": b"<html>",
            "empty": b"",
            "cut": whole[: len(whole) // 2],
            "flipped": whole[:middle] + bytes([whole[middle] ^ 0x10]) + whole[middle + 1 :],
        }[damage]
    )
    with pytest.raises(InputError) as error:
        contents(path)
    assert str(error.value).startswith(f"{path}: not a whole 7z archive (")
    assert "\n" not in str(error.value)


def test_what_lies_before_the_damage_is_handed_on_and_the_damaged_member_named(tmp_path: Path):
    path = tmp_path / "train.7z"
    write_7z(path, MEMBERS, compress=False)
    whole = bytearray(path.read_bytes())
    whole[32 + sum(len(data) for _, data in MEMBERS[:2]) + 500] ^= 1  # inside the third member
    path.write_bytes(whole)
    seen: list[int] = []
    with (
        pytest.raises(InputError, match=r"not a whole 7z archive \(wrong checksum of train/3\.png\)"),
        open_images(path).read() as members,
    ):
        for member, _ in members:
            seen.append(member.id)
    assert seen == [1, 2]


def test_a_header_that_promises_more_than_there_is_is_refused(tmp_path: Path, monkeypatch):
    write_7z(tmp_path / "train.7z", MEMBERS)
    monkeypatch.setattr("py7zr.archiveinfo.Folder.get_unpack_size", lambda folder: folder.unpacksizes[-1] + 1)
    with pytest.raises(InputError, match=r"not a whole 7z archive"):
        contents(tmp_path / "train.7z")


def test_sizes_that_contradict_each_other_are_refused(tmp_path: Path, monkeypatch):
    write_7z(tmp_path / "train.7z", MEMBERS)
    monkeypatch.setattr(seven_zip, "_list_blocks", lambda archive: [])
    with pytest.raises(InputError, match=r"not a whole 7z archive \(sizes contradict each other\)"):
        open_images(tmp_path / "train.7z")


@pytest.mark.parametrize("block", [0, 1])
def test_a_block_has_a_checksum_of_its_own(tmp_path: Path, block):
    """7-Zip may leave out the members' checksums; such an archive stands here for one."""
    path = tmp_path / "train.7z"
    for mode, part in (("w", MEMBERS[:5]), ("a", MEMBERS[5:])):
        with py7zr.SevenZipFile(path, mode) as archive:
            for name, data in part:
                archive.writestr(data, name)
    opened = open_images(path)
    members = [member._replace(crc32=None) for member in opened.members]
    parts = (CONTENTS[i] for i in range(1, 6)), (CONTENTS[i] for i in range(6, 13))
    blocks = [b._replace(crc32=zlib.crc32(b"".join(part))) for b, part in zip(opened.blocks, parts, strict=True)]
    with ImageArchive(path, members, blocks, "train.7z").read() as whole:
        assert len(list(whole)) == 12
    blocks[block] = blocks[block]._replace(crc32=1)
    with (
        pytest.raises(InputError, match=r"not a whole 7z archive \(wrong checksum\)"),
        ImageArchive(path, members, blocks, "train.7z").read() as damaged,
    ):
        list(damaged)


def test_a_missing_archive_is_named(tmp_path: Path):
    with pytest.raises(InputError, match=r"none\.7z: not found"):
        open_images(tmp_path / "none.7z")


def test_the_thread_ends_with_the_reader(tmp_path: Path):
    write_7z(tmp_path / "train.7z", MEMBERS)
    before = threading.active_count()
    with pytest.raises(KeyboardInterrupt), open_images(tmp_path / "train.7z").read():
        assert threading.active_count() == before + 1
        raise KeyboardInterrupt
    assert threading.active_count() == before


@pytest.mark.parametrize(("name", "number"), [("1.png", 1), ("train/300000.JPG", 300000), ("a.png", None), ("", None)])
def test_ids_are_in_the_names(name, number):
    assert image_id(name) == number
