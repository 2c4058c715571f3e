"""Archives: 7z files as `prepare` reads them, and a zip or folder at `data.path` as `download` does."""

import io
import struct
import warnings
import zipfile
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path

import py7zr
from conftest import NUM_TRAIN, tiny_members

from bad_inputs.case import Case, cut, flip, to_folder, write
from bad_inputs.images import PLAIN
from cifar10.images.codec import MAX_ENCODED_BYTES
from cifar10.images.seven_zip import write_7z

TRAIN, ZIP = "data/raw/train.7z", "given.zip"
STORED, QUICK = [{"id": py7zr.FILTER_COPY}], {"id": py7zr.FILTER_LZMA2, "preset": 1}


def seven_zip(members: list[tuple[str, bytes]], **options) -> None:
    with py7zr.SevenZipFile(TRAIN, "w", **{"filters": STORED, **options}) as archive:
        for name, data in members:
            archive.writestr(data, name)


def rename(*names: tuple[str, str]) -> None:
    """Two members whose names are then changed to others of the same length, which py7zr would not write."""
    with py7zr.SevenZipFile(TRAIN, "w", filters=STORED) as archive:
        archive.set_encoded_header_mode(False)
        for old, _ in names:
            archive.writestr(PLAIN, old)
    data = bytearray(Path(TRAIN).read_bytes())
    for old, new in names:
        at = data.rindex(old.encode("utf-16-le"))
        data[at : at + 2 * len(old)] = new.encode("utf-16-le")
    start, size = struct.unpack("<QQ", data[12:28])
    data[28:32] = zlib.crc32(data[32 + start : 32 + start + size]).to_bytes(4, "little")
    data[8:12] = zlib.crc32(data[12:32]).to_bytes(4, "little")
    Path(TRAIN).write_bytes(data)


def link() -> None:
    Path("link.png").symlink_to("/etc/hostname")
    with py7zr.SevenZipFile(TRAIN, "w", filters=STORED) as archive:
        archive.write("link.png", "train/1.png")
    Path("link.png").unlink()


def nest() -> None:
    inner = Path(TRAIN).read_bytes()
    seven_zip([("train/train.7z", inner)])


def pack() -> bytes:
    """The tiny competition's images and labels as a zip."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.write("data/raw/trainLabels.csv", "trainLabels.csv")
        for name, data in tiny_members("train", NUM_TRAIN):
            archive.writestr(name, data)
    return buffer.getvalue()


def zip_with(change: Callable[[bytes], bytes]) -> None:
    write(ZIP, change(pack()))
    _point_at(ZIP)


def add(name: str, data: bytes, method: int = zipfile.ZIP_STORED) -> None:
    """The zip with one more member."""
    buffer = io.BytesIO(pack())
    with zipfile.ZipFile(buffer, "a", method) as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a name that is there already
        archive.writestr(name, data)
    zip_with(lambda _: buffer.getvalue())


def _point_at(path: str) -> None:
    text = Path("params.yaml").read_text()
    assert "path: given" in text
    Path("params.yaml").write_text(text.replace("path: given", f"path: {path}"))


def encrypt(data: bytes) -> bytes:
    """The zip with the flag of encryption in every header."""
    for signature, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        parts = data.split(signature)
        data = signature.join([parts[0], *(p[: flags - 4] + b"\x01" + p[flags - 3 :] for p in parts[1:])])
    return data


def flip_at(data: bytes, mark: bytes) -> bytes:
    """One bit flipped a little after a mark."""
    at = data.index(mark) + 100
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def empty_zip(_: bytes) -> bytes:
    buffer = io.BytesIO()
    zipfile.ZipFile(buffer, "w").close()
    return buffer.getvalue()


def only(name: str) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(name, PLAIN)
    zip_with(lambda _: buffer.getvalue())


MEMBERS = tiny_members("train", NUM_TRAIN)
SECRET = {"password": "secret", "filters": [QUICK, {"id": py7zr.FILTER_CRYPTO_AES256_SHA256}]}

BAD_7Z: dict[str, tuple[Callable[[], object], str]] = {
    "missing": (lambda: Path(TRAIN).unlink(), "not found"),
    "a folder": (partial(to_folder, TRAIN), "directory"),
    "empty file": (partial(write, TRAIN, b""), "whole 7z"),
    "login page": (partial(write, TRAIN, "<html>Sign in</html>"), "whole 7z"),
    "a zip": (lambda: write(TRAIN, pack()), "a zip file named .7z"),
    "signature alone": (partial(write, TRAIN, b"7z\xbc\xaf\x27\x1c"), "whole 7z"),
    "cut at the start": (partial(cut, TRAIN, 0.0001), "whole 7z"),
    "cut": (partial(cut, TRAIN), "whole 7z"),
    "last byte missing": (partial(cut, TRAIN, 0.99999), "whole 7z"),
    "byte flipped in the first header": (partial(flip, TRAIN, 0.0001), "whole 7z"),
    "byte flipped in the images": (partial(flip, TRAIN, 0.5), "checksum of train/"),
    "byte flipped in the last header": (partial(flip, TRAIN, 0.9999), "whole 7z"),
    "no members": (lambda: write_7z(Path(TRAIN), []), "no image 1"),
    "traversal": (lambda: rename(("train/aaa/1.png", "../../../aa.png")), "'../../../aa.png'"),
    "traversal inside": (lambda: seven_zip([("train/../1.png", PLAIN)]), "'train/../1.png'"),
    "traversal with backslashes": (lambda: seven_zip([("..\\1.png", PLAIN)]), "1.png"),
    "absolute": (lambda: rename(("train/aaa/1.png", "/etc/passwd.png")), "'/etc/passwd.png'"),
    "drive": (lambda: seven_zip([("C:/1.png", PLAIN)]), "'C:/1.png'"),
    "symlink": (link, "'train/1.png'"),
    "same name twice": (lambda: rename(("train/1.png", "train/1.png"), ("train/2.png", "train/1.png")), "id 1"),
    "same id twice": (lambda: seven_zip([*MEMBERS, ("train/1.jpg", PLAIN)]), "id 1"),
    "bomb": (lambda: seven_zip([("train/1.png", bytes(MAX_ENCODED_BYTES + 1))]), "16,777,217"),
    "encrypted": (lambda: seven_zip(MEMBERS, **SECRET), "encrypted"),
    "encrypted with its header": (lambda: seven_zip(MEMBERS, header_encryption=True, **SECRET), "encrypted"),
    "nested": (nest, "'train/train.7z'"),
    "names without ids": (lambda: seven_zip([("train/frog.png", PLAIN)]), "'train/frog.png'"),
    "name of a kilobyte": (lambda: seven_zip([("train/" + "a" * 1000, PLAIN)]), "member"),
    "one image missing": (lambda: write_7z(Path(TRAIN), MEMBERS[:-1], compress=False), "id 48"),
    "image without label": (
        lambda: write_7z(Path(TRAIN), [*MEMBERS, ("train/49.png", PLAIN)], compress=False),
        "image 49",
    ),
}
BAD_ZIP: dict[str, tuple[Callable[[], object], str]] = {
    "nowhere": (lambda: _point_at("nowhere"), "data.path"),
    "empty file": (lambda: zip_with(lambda data: b""), ZIP),
    "login page": (lambda: zip_with(lambda data: b"<html>Sign in</html>"), ZIP),
    "cut": (lambda: zip_with(lambda data: data[:-1000]), ZIP),
    "no members": (lambda: zip_with(empty_zip), ZIP),
    "byte flipped": (lambda: zip_with(lambda data: flip_at(data, b"IDAT")), "train/1.png"),
    "encrypted": (lambda: zip_with(encrypt), "encrypted"),
    "member twice": (lambda: add("train/1.png", PLAIN), "train/1.png"),
    "traversal": (partial(only, "../train/1.png"), "no competition"),
    "absolute": (partial(only, "/train/1.png"), "no competition"),
    "nested": (partial(only, "cifar-10.zip"), "given.zip/cifar-10.zip: neither"),
    "bomb": (lambda: add("train/49.png", bytes(MAX_ENCODED_BYTES + 1), zipfile.ZIP_DEFLATED), "train/49.png"),
    "name without id": (lambda: add("train/frog.png", PLAIN), "train/frog.png"),
}

CASES = {f"7z: {name}": Case("prepare", spoil, (TRAIN, item)) for name, (spoil, item) in BAD_7Z.items()} | {
    f"zip: {name}": Case("download", spoil, ("given.zip" if name != "nowhere" else "params.yaml", item))
    for name, (spoil, item) in BAD_ZIP.items()
}
