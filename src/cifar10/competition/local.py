"""Files that the user already has: Kaggle's zip, the four files, folders of images, the canonical CIFAR-10."""

import shutil
from contextlib import ExitStack
from pathlib import Path

from cifar10.competition import parts
from cifar10.competition.file_trees import ARCHIVE_ENDINGS, FileTree, mount, open_tree, printable
from cifar10.competition.packing import EXPECTED, Packing
from cifar10.competition.torchvision import write_canonical
from cifar10.core.config import PARAMS, DataConfig, InputError, expand_home
from cifar10.images.origins import Origin, write_origins


def fetch(config: DataConfig, out: Path, downloads: Path) -> None:
    """Recognise what lies at `data.path` by the names in it and write it as the competition's files."""
    if config.path is None:
        raise InputError(f"{PARAMS}: data.path: the source `local` needs a folder or a zip file here")
    path = expand_home(config.path, "data.path")
    if not path.exists():
        raise InputError(f"{PARAMS}: data.path: {path} does not exist")
    write_origins(out, write_from(path, out, config.path.rstrip("/")))


def write_from(path: Path, out: Path, shown: str | None = None) -> list[Origin]:
    """Write the competition's files from a folder, a zip or a tar archive, and say what is left out of it.

    Args:
        path: where the user's files are.
        out: an empty folder.
        shown: what messages call `path`.

    Returns:
        What the images and tables were called, below `path`.

    Raises:
        InputError: `path` holds none of the known layouts, or one with a mistake.
    """
    with ExitStack() as stack:
        tree, root = _open(path, shown or str(path), stack)
        if root + parts.CANONICAL[0] in tree.names:
            _take_canonical(tree, root, out)
            return []
        return Packing(tree, root, out).write()


def _open(path: Path, shown: str, stack: ExitStack) -> tuple[FileTree, str]:
    """The files at `path`, archives of parts and tables among them opened, and the folder around the parts.

    If no part is seen then, all archives are opened: Kaggle's zip in the folder into which it was downloaded.
    """
    tree = open_tree(path, shown, stack)
    packed = [name for name in tree.names if name.lower().endswith(ARCHIVE_ENDINGS)]
    wanted = {*map(parts.spelling, parts.TABLES), *(name for names in parts.FOLDERS.values() for name in names)}
    stems = {name: name[: name.lower().rfind(".tar" if ".tar" in name.lower() else ".")] for name in packed}
    unpacked = {name for name, stem in stems.items() if any(n.startswith(f"{stem}/") or n == stem for n in tree.names)}
    now = [n for n in packed if parts.spelling(n.rpartition("/")[2]) in wanted and n not in unpacked]
    tree = mount(tree, now, stack)
    root = parts.find_root(tree.names, shown)
    if root is None and (later := [name for name in packed if name not in now]):
        tree = mount(tree, later, stack)
        root = parts.find_root(tree.names, shown)
    if root is None:
        root = parts.find_bare_root(tree.names)
    if root is None:
        found = ", ".join(sorted({name.partition("/")[0] for name in tree.names})[:3]) or "nothing"
        near = parts.nearest_table(tree.names)
        raise InputError(printable(f"{shown}: holds no competition (found {found}{near}); expected {EXPECTED}"))
    return tree, root


def _take_canonical(tree: FileTree, root: str, out: Path) -> None:
    """The Python version of CIFAR-10; its files are pickles, so they have to be the published ones."""
    folder = out / "canonical/cifar-10-batches-py"
    folder.mkdir(parents=True)
    for name in parts.CANONICAL:
        if root + name not in tree.names:
            raise InputError(f"{tree.path_of(root + name)}: not found beside {parts.CANONICAL[0]}")
        with tree.open(root + name) as source, (folder / name).open("wb") as target:
            shutil.copyfileobj(source, target, 1 << 20)
    try:
        write_canonical(folder.parent, out, download=False)
    except RuntimeError:
        where = tree.path_of(root).rstrip("/")
        raise InputError(f"{where}: not the published CIFAR-10 (wrong checksum); fetch it again") from None
    others = len(tree.names) - len(parts.CANONICAL)
    print(f"download: {tree.path_of(root)}: the canonical CIFAR-10; other files left out: {others:,}")
