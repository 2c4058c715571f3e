"""What is what among the files of a user: training, validation and test images, classes, tables.

Names alone decide. Every file of a part is taken or counted as left out, so that nothing vanishes without a word.
"""

import difflib
import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from itertools import count

from cifar10.competition.file_trees import ARCHIVE_ENDINGS, ending, is_image, printable
from cifar10.core.config import InputError
from cifar10.core.tables import MAX_ID_DIGITS

# part -> how people spell its folder, as `spelling` gives it; the first that is there is taken
FOLDERS = {
    "train": ("train", "training", "trainset", "trainingset", "trainimages"),
    "validation": ("val", "valid", "validation", "dev", "valset", "validset", "validationset", "valimages"),
    "test": ("test", "testing", "testset", "testimages"),
}
TABLES = ("trainLabels.csv", "sampleSubmission.csv", "solution.csv")
ARCHIVES = ("train.7z", "test.7z")
CANONICAL = ("batches.meta", *(f"data_batch_{i}" for i in range(1, 6)), "test_batch")  # Krizhevsky's Python version
UNLABELLED = ("unknown", "unlabeled", "unlabelled")  # folders of test images that are no class
PART_OF = {name: part for part, names in FOLDERS.items() for name in names}

_NUMBER = re.compile(rf"0*([0-9]{{1,{MAX_ID_DIGITS}}})")


@dataclass
class Part:
    """Images below one folder, and what else lies there."""

    folder: str  # `train/`; an empty string for all there is
    images: dict[str, str] = field(default_factory=dict)  # name -> class; an empty string where no folder tells it
    left_out: Counter[str] = field(default_factory=Counter)  # reason -> files
    deeper: int = 0  # images in folders below that of their class

    def leave_out(self, name: str, reason: str) -> None:
        """Take an image back."""
        del self.images[name]
        self.left_out[reason] += 1


def spelling(name: str) -> str:
    """A name as people mean it: `Train_Labels.csv` is `trainlabels.csv`, `train.zip` is `train`."""
    name = name.lower()
    for end in ARCHIVE_ENDINGS:
        name = name.removesuffix(end)
    return re.sub(r"[\s_-]", "", name)


def _part_by_last_word(folder: str) -> str | None:
    """The part that a longer name ends with: `seg_train` and `train2017` are `train`, `train_station` is none."""
    stem = next((folder[: -len(end)] for end in ARCHIVE_ENDINGS if folder.lower().endswith(end)), folder)
    words = [word.lower() for word in re.findall("[A-Z]?[a-z]+|[A-Z]+", stem)]
    parts = [PART_OF[word] for word in words if word in PART_OF]
    return parts[0] if len(parts) == 1 and words[-1] in PART_OF else None


def find_root(names: list[str], path: str) -> str | None:
    """The folder around the parts (`cifar-10/`, or an empty string), the one next to the top; None without any.

    Raises:
        InputError: there are several, side by side.
    """
    marks = {mark.lower() for mark in (*ARCHIVES, CANONICAL[0])}
    roots = {name[: name.rfind("/") + 1] for name in names if name.rpartition("/")[2].lower() in marks}
    for folder in _folders(names):
        parent, _, last = folder.rstrip("/").rpartition("/")
        if spelling(last) in FOLDERS["train"]:
            roots.add(f"{parent}/" if parent else "")
    if not roots:  # seg_train/ beside seg_test/; train2017/ beside val2017/
        for parent, folders in _subfolders(names).items():
            parts = [_part_by_last_word(folder) for folder in folders]
            if parts.count("train") == 1 and {"validation", "test"} & set(parts):
                roots.add(parent)
    if not roots:
        return None
    depth = min(root.count("/") for root in roots)
    first, *others = sorted(root for root in roots if root.count("/") == depth)
    if others:
        raise InputError(f"{path}: several data sets ({first}, {others[0]}); let data.path be one of them")
    return first


def find_bare_root(names: list[str]) -> str | None:
    """The folder whose subfolders are classes, or that holds images beside trainLabels.csv: a training part alone."""
    children = _subfolders(names)
    if any(spelling(folder) in PART_OF for folders in children.values() for folder in folders):
        return None  # a test part without training images
    for folders in children.values():
        found = Counter(map(_part_by_last_word, folders))
        if found["train"] and found["validation"] + found["test"]:
            return None  # several training parts: fold1_train/, fold2_train/, test1/
    roots = [root for root, folders in children.items() if len(folders) > 1]
    labels = find_table(names, "trainLabels.csv")
    if labels and _direct(names, labels[: labels.rfind("/") + 1]):
        roots.append(labels[: labels.rfind("/") + 1])
    return min(roots, key=lambda root: (root.count("/"), root), default=None)


def find_folder(names: list[str], root: str, part: str) -> str | None:
    """The folder of a part below `root`: `train/`, or as the user spells it; one with images before one without."""
    order = {name: place for place, name in enumerate(FOLDERS[part])}
    for folders in (_subfolders(names).get(root, []), sorted(_tops(names, root))):
        found = [folder for folder in folders if spelling(folder) in order]
        if found:
            return f"{root}{min(found, key=lambda f: (order[spelling(f)], f != f.lower(), len(f), f))}/"
        found = [folder for folder in folders if _part_by_last_word(folder) == part]
        if len(found) == 1:
            return f"{root}{found[0]}/"
    return None


def find_table(names: Iterable[str], table: str) -> str | None:
    """A table wherever it lies: the nearest to the top, in its own spelling before another."""
    tables = (name for name in names if name.lower().endswith(".csv"))
    found = [name for name in tables if spelling(name.rpartition("/")[2]) == spelling(table)]
    return min(found, key=lambda name: (name.count("/"), not name.endswith(table), name), default=None)


def nearest_table(names: Iterable[str]) -> str:
    """`; found labels.csv; is it trainLabels.csv?`, or nothing."""
    tables = [name for name in names if re.search(r"\.csv|\.tsv$|\.xlsx?$|label", name.lower()) and not is_image(name)]
    tables = [name for name in tables if not any(name == find_table(names, table) for table in TABLES)]
    near = difflib.get_close_matches("trainLabels.csv", tables, n=1, cutoff=0.0)
    return f"; found {near[0]}; is it trainLabels.csv?" if near else ""


def take_training(names: list[str], folder: str, labels: Collection[int] | None) -> Part:
    """The training part: `train/<class>/…`, or `train/17.png` where there is a table of `labels`.

    As torchvision's ImageFolder does, the first folder is the class, however deep an image lies below it.
    """
    part, images = _start(names, folder)
    start = folder
    while inner := _only_folder(images, start):
        is_same_part = spelling(inner[len(start) : -1]) in FOLDERS["train"]
        if _direct(images, inner) and labels is None and not is_same_part:
            break  # a single class
        start = inner
    is_numbered = labels is not None and bool(_direct(images, start))
    for name in images:
        label = name[len(start) :].rpartition("/")[0].partition("/")[0]
        if is_numbered == (not label):
            part.images[name] = label
            part.deeper += name[len(start) :].count("/") > 1
        else:
            part.left_out["deeper folders" if label else "no class folder"] += 1
    return part


def take_others(names: list[str], folder: str, classes: Collection[str], path: str) -> Part:
    """Test or validation images: `test/<class>/…` where the class is one of the training part's, or without a label.

    Raises:
        InputError: there are folders of several names, and one is no class.
    """
    part, images = _start(names, folder)
    start = folder
    known = {name.casefold(): name for name in classes}
    while inner := _only_folder(images, start):
        if inner[len(start) : -1].casefold() in known:
            break
        start = inner
    for name in images:
        label = name[len(start) :].rpartition("/")[0].partition("/")[0]
        if label not in classes:
            if label and spelling(label) not in UNLABELLED:
                near = difflib.get_close_matches(label, classes, n=1)
                hint = f" (but {near[0]!r})" if near else ""
                where = printable(f"{path}/{start}{label}")
                raise InputError(f"{where}: the training images have no class of this name{hint}")
            label = ""
        part.images[name] = label
        part.deeper += bool(label) and name[len(start) :].count("/") > 1
    return part


def assign_ids(
    names: Iterable[str], path: str, by_name: bool = False, may_repeat: bool = False
) -> tuple[dict[str, int], list[str]]:
    """An id for each name, in natural order, and the names whose id had to be given.

    A name that is a number is the id (`17.png`, `0017.png`). Where folders repeat numbers they identify nothing, and
    all ids are given: 1, 2, ...; otherwise the given ones follow the largest. With `by_name` none is given.

    Raises:
        InputError: two images of one folder have the same number (unless such `may_repeat`, as those of training images
            do), or the names do not tell all ids `by_name`.
    """
    ordered = sorted(names, key=natural)
    ids: dict[str, int] = {}
    first: dict[tuple[str, int], str] = {}
    for name in ordered:
        folder, _, last = name.rpartition("/")
        number = _NUMBER.fullmatch(last[: last.rfind(".")])
        if number:
            ids[name] = int(number[1])
            other = first.setdefault(("" if by_name else folder, ids[name]), name)
            if other != name and not may_repeat:
                raise InputError(printable(f"{path}/{name}: id {ids[name]} is there twice (first as {other})"))
        elif by_name:
            raise InputError(printable(f"{path}/{name}: not named by its id (train/17.png)"))
    if len(set(ids.values())) < len(ids):
        ids = {}
    given = [name for name in ordered if name not in ids]
    largest = max(ids.values(), default=0)
    if given and largest + len(given) >= 10**MAX_ID_DIGITS:
        where = printable(f"{path}/{given[0]}")
        raise InputError(f"{where}: no id is left above {largest}, the largest that names tell")
    free = count(largest + 1)
    return {name: ids[name] if name in ids else next(free) for name in ordered}, given


def natural(name: str) -> list[str | int]:
    """Sort key under which `2.png` comes before `10.png`."""
    return [int(part) if place % 2 else part for place, part in enumerate(re.split(r"([0-9]+)", name))]


def _start(names: list[str], folder: str) -> tuple[Part, list[str]]:
    inside = [name for name in names if name.startswith(folder)]
    tables = {find_table(inside, table) for table in TABLES}
    others = Counter(ending(name) or "no ending" for name in inside if not is_image(name) and name not in tables)
    return Part(folder, left_out=others), [name for name in inside if is_image(name)]


def _subfolders(names: Iterable[str]) -> dict[str, list[str]]:
    """Folder -> names of the folders in it that have images in or below them; the top is an empty string."""
    found: dict[str, list[str]] = defaultdict(list)
    for folder in _folders(names):
        parent, _, last = folder.rstrip("/").rpartition("/")
        found[f"{parent}/" if parent else ""].append(last)
    return found


def _tops(names: Iterable[str], root: str) -> set[str]:
    """Names of the folders in `root`, those without an image too."""
    return {name[len(root) :].partition("/")[0] for name in names if name.startswith(root) and "/" in name[len(root) :]}


def _folders(names: Iterable[str]) -> list[str]:
    """All folders with images in or below them, `train/cat/`, sorted."""
    parents = {name.rpartition("/")[0] for name in names if is_image(name)} - {""}
    return sorted({parent[:at] + "/" for parent in parents for at in _ends(parent)})


def _ends(folder: str) -> list[int]:
    return [match.start() for match in re.finditer("/|$", folder)]


def _direct(names: Iterable[str], folder: str) -> list[str]:
    """The images that lie in a folder and not deeper."""
    return [name for name in names if name.startswith(folder) and "/" not in name[len(folder) :] and is_image(name)]


def _only_folder(images: list[str], folder: str) -> str | None:
    """The subfolder that holds all of a folder's images, where there is one."""
    insides = {name[len(folder) :].partition("/") for name in images}
    tops = {top for top, slash, _ in insides if slash}
    return f"{folder}{tops.pop()}/" if len(tops) == 1 and all(slash for _, slash, _ in insides) else None
