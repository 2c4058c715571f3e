"""Files as they were in another run: a DVC experiment, a branch, a tag, a commit. The only module that imports DVC."""

from collections.abc import Iterable
from pathlib import Path

from cifar10.core.config import InputError

WORKSPACE = "workspace"


def read_revision(revision: str, required: Iterable[Path], optional: Iterable[Path]) -> dict[Path, str]:
    """Texts of files of `revision`, whether git keeps them or DVC; those of `optional` that it lacks are left out.

    `workspace` is the working folder as it is.

    Raises:
        InputError: there is no such revision, or it lacks a file of `required`.
    """
    from dvc.api import DVCFileSystem  # here: it takes a second to import
    from dvc.exceptions import DvcException
    from dvc.scm import SCMError

    texts: dict[Path, str] = {}
    try:
        files = DVCFileSystem(rev=None if revision == WORKSPACE else revision)
        for path in (*required, *optional):
            try:
                texts[path] = str(files.read_text(path.as_posix()))
            except FileNotFoundError:
                if path in required:
                    raise InputError(f"{revision}: has no {path}, or DVC's cache lost it") from None
    except SCMError:
        raise InputError(f"{revision}: no experiment, branch, tag or commit; `dvc exp list` tells them") from None
    except DvcException as error:
        raise InputError(f"{revision}: {' '.join(str(error).split())}") from None
    return texts
