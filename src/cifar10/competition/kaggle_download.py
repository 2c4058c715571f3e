"""A competition's files as one zip: resumed where it stopped, and whole before it counts.

The client's own resume appends to whatever a failed attempt left, an error page included, and then reports success.
So the client finds the file and its signed address, and the bytes are fetched here.
"""

import hashlib
import re
import time
import zipfile
from pathlib import Path
from typing import Any

import requests
from tqdm import tqdm

from cifar10.competition.kaggle_client import ATTEMPTS, TIMEOUT_SECONDS, call, quiet
from cifar10.competition.kaggle_errors import BrokenOffError
from cifar10.core.config import PARAMS, InputError
from cifar10.core.files import tell_disk_full

NAMES = ("train.7z", "test.7z", "trainLabels.csv", "sampleSubmission.csv")

CHUNK_BYTES = 1 << 14  # the most that a cut or a kill loses
CUT = f"the connection broke off ({ATTEMPTS} times); run again, it goes on where it stopped"
LINE_SECONDS = 10.0  # between two lines of progress where there is no terminal


def download(competition: str, folder: Path) -> Path:
    """Download all files of a competition as one verified zip into `folder` and return its path.

    `folder` keeps what a failed or killed attempt fetched, and the next one goes on from there.

    Raises:
        InputError: no credentials, Kaggle refused or could not be reached, or what arrived is damaged.
    """
    if not re.fullmatch(r"[A-Za-z0-9-]+", competition):
        raise InputError(
            f"{PARAMS}: data.competition: expected the end of its web address (cifar-10), not {competition!r}"
        )
    folder.mkdir(parents=True, exist_ok=True)
    archive = folder / f"{competition}.zip"
    if not archive.exists():  # else an attempt was killed while it took the files out
        call(competition, lambda api: _fetch(api, competition, folder)).replace(archive)
    try:
        _verify(archive)
    except InputError:
        archive.unlink()
        raise
    return archive


def _fetch(api: Any, competition: str, folder: Path) -> Path:
    """One attempt: fetch what is missing and return the finished file.

    The partial file is named by what the server said of the object (entity tag or date, and size), so bytes of two
    versions can never meet in one file.
    """
    from kagglesdk.competitions.types.competition_api_service import ApiDownloadDataFilesRequest

    with quiet(), api.build_kaggle_client() as client:
        request = ApiDownloadDataFilesRequest()
        request.competition_name = competition
        found = client.competitions.competition_api_client.download_data_files(request)
        found.close()  # it has no time limit, and starts at the first byte
    validator = found.headers.get("ETag") or found.headers.get("Last-Modified")
    size = int(found.headers.get("Content-Length", 0)) or None
    identity = hashlib.sha256(f"{validator} {size}".encode()).hexdigest()[:16]
    partial = folder / f"{competition}.{identity}.partial"
    for other in folder.glob(f"{competition}.*.partial"):
        if other != partial or not validator:  # of another version, or of one that cannot be told from others
            other.unlink()
            print(
                f"download: {competition}.zip: what was fetched before is of another version; starting anew", flush=True
            )

    have = partial.stat().st_size if partial.exists() else 0
    if size is None or have < size:
        headers = {**found.request.headers, "Accept-Encoding": "identity", "Range": f"bytes={have}-"}
        if validator:
            headers["If-Range"] = validator
        with requests.get(found.url, headers=headers, stream=True, timeout=TIMEOUT_SECONDS) as response:
            starts_here = response.headers.get("Content-Range", "").startswith(f"bytes {have}-")
            if response.status_code == 416 or (response.ok and have and not starts_here):
                partial.unlink(missing_ok=True)
                raise BrokenOffError(CUT)  # the server does not have the rest of this file
            response.raise_for_status()
            _append(response, partial, have, size, f"{competition}.zip")
    return partial


def _append(response: requests.Response, partial: Path, have: int, size: int | None, name: str) -> None:
    """Add the body of `response` to `partial`, with a progress bar, or with plain lines where there is no terminal."""
    total = f"{size / 1e6:.1f} MB" if size else "unknown size"
    print(f"download: {name}: {total}{f', resumed at {have / 1e6:.1f} MB' if have else ''}", flush=True)
    with (
        tell_disk_full(partial, size and size - have),
        partial.open("ab") as file,
        tqdm(total=size, initial=have, desc=name, unit="B", unit_scale=True, disable=None) as bar,
    ):
        started = said = time.monotonic()
        received = 0
        try:
            for chunk in response.iter_content(CHUNK_BYTES):
                file.write(chunk)
                received += len(chunk)
                bar.update(len(chunk))
                now = time.monotonic()
                if bar.disable and now - said > LINE_SECONDS:
                    speed = received / (now - started) / 1e6
                    print(f"download: {name}: {(have + received) / 1e6:.1f} of {total}, {speed:.1f} MB/s", flush=True)
                    said = now
        except (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError):
            raise BrokenOffError(CUT) from None


def _verify(archive: Path) -> None:
    """Check that the zip holds the four files, none empty, and that every byte matches its checksum.

    Raises:
        InputError: what is wrong with it.
    """
    again = "it was removed, run again"
    try:
        with zipfile.ZipFile(archive) as opened:
            sizes = {member.filename: member.file_size for member in opened.infolist()}
            damaged = opened.testzip()
    except Exception as error:  # damage makes zipfile raise its own, zlib's, and ValueError, OSError, struct's
        reason = " ".join(str(error).split())[:60]
        raise InputError(f"kaggle: {archive.name} arrived damaged ({reason}); {again}") from None
    if damaged:
        raise InputError(f"kaggle: {archive.name} arrived damaged (checksum of {damaged[:40]}); {again}")
    missing = [name for name in NAMES if not sizes.get(name)]
    if missing:
        raise InputError(
            f"kaggle: {archive.name} has no {missing[0]}, or an empty one; {PARAMS}: is data.competition right?"
        )
