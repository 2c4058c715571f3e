"""Writing files so that a reader finds the old one or the whole new one, never half of it."""

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class DiskFullError(OSError):
    """There is no space for `path`; says how much it needs, where that is known, and how much is free, and where."""

    def __init__(self, path: Path, needed_bytes: int | None) -> None:
        self.needed_bytes = needed_bytes
        mount = mount_point(path)
        needed = f"{needed_bytes / 1e6:,.1f} MB" if needed_bytes else "more"
        free = f"{shutil.disk_usage(mount).free / 1e6:,.1f} MB free on {mount}"
        reason = f"disk full: {needed} needed, {free}; free some space and run again"
        super().__init__(errno.ENOSPC, reason, str(path))


@contextmanager
def tell_disk_full(path: Path, needed_bytes: int | None = None) -> Iterator[None]:
    """Raise DiskFullError for any write inside that fails for lack of space.

    Around the block that tidies up, so that what a half-written file gave back counts as free. Of nested ones the
    outermost tells where, and the innermost that knows tells how much.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise DiskFullError(path, getattr(error, "needed_bytes", None) or needed_bytes) from None


def mount_point(path: Path) -> Path:
    """Where the file system begins that `path`, which need not be there yet, is on."""
    path = path.absolute()
    return next(parent for parent in (path, *path.parents) if parent.is_mount())


@contextmanager
def atomic_path(path: Path, needed_bytes: int | None = None) -> Iterator[Path]:
    """Yield a temporary sibling to write to; it replaces `path` when the block succeeds and is removed when not.

    Raises:
        DiskFullError: there is no space for it; `needed_bytes`, where the size is known, is told.
    """
    with tell_disk_full(path, needed_bytes):
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f".{path.name}.partial")
        try:
            yield partial
            with partial.open("rb") as file:
                os.fsync(file.fileno())
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)


def atomic_write(path: Path, content: bytes | str) -> None:
    """Write a whole file at once; text as UTF-8 with the line ends that it has."""
    data = content.encode() if isinstance(content, str) else content
    with atomic_path(path, len(data)) as partial:
        partial.write_bytes(data)


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Yield an empty temporary sibling folder; it becomes `path` when the block succeeds, and goes when not."""
    partial = path.with_name(f".{path.name}.partial")
    with tell_disk_full(path):
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        try:
            yield partial
            shutil.rmtree(path, ignore_errors=True)
            partial.replace(path)
        finally:
            shutil.rmtree(partial, ignore_errors=True)


def reserve(path: Path) -> None:
    """Fill the holes of a file that is mapped into memory: on a full disk, touching one would kill the process.

    Raises:
        OSError: there is no space.
    """
    if hasattr(os, "posix_fallocate"):  # macOS has none
        with path.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
