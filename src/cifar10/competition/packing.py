"""From the recognised files of a user to the competition's: ids, labels, archives, and a line on what is left out."""

import shutil
from collections import Counter
from collections.abc import Collection, Iterator
from pathlib import Path

from cifar10.competition import parts
from cifar10.competition.file_trees import FileTree, ending, printable
from cifar10.competition.layout import write_labels, write_sample_submission
from cifar10.competition.parts import Part
from cifar10.core.config import InputError
from cifar10.core.tables import MAX_BYTES, is_label, parse_table
from cifar10.images.archives import open_images
from cifar10.images.codec import MAX_ENCODED_BYTES
from cifar10.images.origins import VALIDATION, Origin
from cifar10.images.seven_zip import write_7z

EXPECTED = "train/<class>/*.png, train/1.png ... + trainLabels.csv, or train.7z + test.7z + trainLabels.csv"
MOST_REASONS = 4  # that a line about files left out gives


class Packing:
    """The files of a tree, on their way into the raw files in `out`; `root` is the folder around the parts."""

    def __init__(self, tree: FileTree, root: str, out: Path) -> None:
        self.tree, self.root, self.out = tree, root, out
        self.found: list[Part] = []  # the folders of images
        self.origins: list[Origin] = []
        self.archives = {a: name for a in parts.ARCHIVES for name in tree.names if name.lower() == root.lower() + a}
        names = {table: parts.find_table(tree.names, table) for table in parts.TABLES}
        self.tables = {table: name for table, name in names.items() if name}
        self.labels, self.sample, self.solution = (self._read_table(table) for table in parts.TABLES)

    def write(self) -> list[Origin]:
        """Write the files and say what was found; returns what images and tables were called, below the tree."""
        labels = self._copy_training() if "train.7z" in self.archives else self._pack_training()
        test_ids = self._write_test(labels)
        if self.sample is None:
            write_sample_submission(self.out, test_ids, label=min(labels.values()))
        else:
            self._copy("sampleSubmission.csv", self.tables["sampleSubmission.csv"])
        self._say_what_is_left_out()
        return [origin._replace(name=printable(origin.name)) for origin in self.origins]

    # --- training and validation images ---

    def _copy_training(self) -> dict[int, str]:
        """`train.7z` and the table of labels as they are; returns the labels by id."""
        archive = self.archives["train.7z"]
        if self.labels is None:
            near = parts.nearest_table(self.tree.names)
            raise InputError(f"{self.tree.path_of(archive)}: no trainLabels.csv beside it{near}")
        if not self.labels:
            raise InputError(f"{self._path_of('trainLabels.csv')}: no rows below the header")
        self._copy("train.7z", archive)
        self._copy("trainLabels.csv", self.tables["trainLabels.csv"])
        open_images(self.out / "train.7z", self.tree.path_of(archive))
        return self.labels

    def _pack_training(self) -> dict[int, str]:
        """`train/<class>/…`, or `train/17.png` with the table of labels; a validation part goes with them."""
        train = self._find_training()
        is_numbered = "" in train.images.values()
        names = self.tree.names
        classes = set((self.labels or {}).values() if is_numbered else train.images.values())
        folder = parts.find_folder(names, self.root, "validation") if train.folder != self.root else None
        validation = parts.take_others(names, folder, classes, self.tree.shown) if folder else Part("")
        if not is_numbered:
            for name in [name for name, label in validation.images.items() if not label]:
                validation.leave_out(name, "no class folder")
        self.found += [train, validation] if folder else [train]

        images = train.images | validation.images
        ids, given = parts.assign_ids(images, self.tree.shown, by_name=is_numbered, may_repeat=not is_numbered)
        by_folder = {ids[name]: label for name, label in images.items() if label}
        if self.labels is not None and not given:
            self._compare(by_folder, ids, self.labels, "trainLabels.csv")
        labels = by_folder | self.labels if is_numbered and self.labels else by_folder
        self._pack("train", ids)
        self.origins += [
            Origin(VALIDATION if name in validation.images else "train", number, name) for name, number in ids.items()
        ]
        if labels == self.labels:
            self._copy("trainLabels.csv", self.tables["trainLabels.csv"])
        else:
            table = self.tables["trainLabels.csv"] if is_numbered else train.folder
            self.origins.append(Origin("trainLabels.csv", None, table.rstrip("/")))
            ordered = sorted(labels)
            write_labels(self.out / "trainLabels.csv", ordered, (labels[number] for number in ordered))
            if self.labels is not None and not is_numbered:
                print(f"download: {self._path_of('trainLabels.csv')} is not used: the folders tell the classes")
        self._say(train, f"{_count(len(train.images), 'training image')} of {_count(len(classes), 'class', 'classes')}")
        if folder:
            use = "the validation part" if validation.images else "none is used for validation"
            self._say(validation, f"{_count(len(validation.images), 'image')}, {use}")
        return labels

    def _find_training(self) -> Part:
        tree = self.tree
        folder = parts.find_folder(tree.names, self.root, "train")
        if folder is None and parts.find_root(tree.names, tree.shown) is not None:
            raise InputError(f"{tree.path_of(self.root)}: no training images beside the rest; expected {EXPECTED}")
        train = parts.take_training(tree.names, self.root if folder is None else folder, self.labels)
        if not train.images:
            near = "" if self.labels else parts.nearest_table(tree.names)
            where = tree.path_of(train.folder).rstrip("/")
            raise InputError(f"{where}: no training images of known class ({_list(train.left_out)}){near}; {EXPECTED}")
        for name, label in train.images.items():
            if label and not is_label(label):
                where = tree.path_of(name[: name.find(f"{label}/") + len(label)])
                fault = "not UTF-8, padded, not printable, or with <!"
                raise InputError(f"{where}: this folder's name cannot be a class: {fault}")
        return train

    # --- test images ---

    def _write_test(self, labels: dict[int, str]) -> Collection[int]:
        """The test images and what is known of their labels; returns their ids."""
        test_labels: dict[int, str] = {}
        if "test.7z" in self.archives:
            archive = self.archives["test.7z"]
            self._copy("test.7z", archive)
            members = open_images(self.out / "test.7z", self.tree.path_of(archive)).members
            ids, given = {member.name: member.id for member in members}, []
            where = self.tree.path_of(archive)
        else:
            folder = parts.find_folder(self.tree.names, self.root, "test")
            if folder is None and "train.7z" in self.archives:
                raise InputError(f"{self.tree.path_of(self.archives['train.7z'])}: no test.7z beside it")
            classes = set(labels.values())
            test = parts.take_others(self.tree.names, folder, classes, self.tree.shown) if folder else Part("")
            where = self.tree.path_of(folder or "test").rstrip("/")
            ids, given = parts.assign_ids(test.images, self.tree.shown)
            self._pack("test", ids)
            self.origins += [Origin("test", number, name) for name, number in ids.items()]
            test_labels = {ids[name]: label for name, label in test.images.items() if label}
            if folder:
                self.found.append(test)
                self._say(test, f"{_count(len(test.images), 'test image')}, {len(test_labels):,} of them with a label")
            if given:
                numbers = sorted(ids[name] for name in given)
                span = f"ids {numbers[0]} to {numbers[-1]}" if len(numbers) > 1 else f"id {numbers[0]}"
                self._say(test, f"{span} given, as names do not tell; data/raw/origins.csv says which file has which")

        for table, rows in (("sampleSubmission.csv", self.sample), ("solution.csv", self.solution)):
            missing = sorted((rows or {}).keys() - ids.values())
            if rows and (given or missing):
                what = f"{where} has no such image"
                if given:
                    what = f"{self.tree.path_of(given[0])} is not named by its id"
                raise InputError(f"{self._path_of(table)}: id {(missing or sorted(rows))[0]}: {what}")
        if self.solution is not None:
            self._compare(test_labels, ids, self.solution, "solution.csv")
        if self.solution is not None and self.solution.keys() >= test_labels.keys():
            self._copy("solution.csv", self.tables["solution.csv"])
        else:
            if test_labels:
                self.origins.append(Origin("solution.csv", None, self.found[-1].folder.rstrip("/")))
            known = dict(sorted((test_labels | (self.solution or {})).items()))
            write_labels(self.out / "solution.csv", known, known.values())
        return ids.values()

    # --- files ---

    def _path_of(self, table: str) -> str:
        return self.tree.path_of(self.tables[table])

    def _read_table(self, table: str) -> dict[int, str] | None:
        """The labels by id of a table, where there is one; an error names the user's own file."""
        if table not in self.tables:
            return None
        with self.tree.open(self.tables[table]) as file:
            rows = parse_table(file.read(MAX_BYTES + 1), self._path_of(table))
        return dict(zip(rows["id"].tolist(), rows["label"].tolist(), strict=True))

    def _compare(self, by_folder: dict[int, str], ids: dict[str, int], rows: dict[int, str], table: str) -> None:
        """Refuse a label in a table that is not the one that the image's folder tells."""
        for name, number in ids.items():
            if number in by_folder and rows.get(number, by_folder[number]) != by_folder[number]:
                where = f"{self._path_of(table)}: id {number} is {rows[number]!r}"
                raise InputError(f"{where}, but the image lies in {self.tree.path_of(name)}")

    def _copy(self, raw_name: str, name: str) -> None:
        with self.tree.open(name) as source, (self.out / raw_name).open("wb") as target:
            shutil.copyfileobj(source, target, 1 << 20)
        self.origins.append(Origin(raw_name, None, name))

    def _pack(self, part: str, ids: dict[str, int]) -> None:
        write_7z(self.out / f"{part}.7z", self._read(part, ids), compress=False)

    def _read(self, part: str, ids: dict[str, int]) -> Iterator[tuple[str, bytes]]:
        for name, number in ids.items():
            with self.tree.open(name) as file:
                data = file.read(MAX_ENCODED_BYTES + 1)
            if len(data) > MAX_ENCODED_BYTES:
                raise InputError(f"{self.tree.path_of(name)}: more than the {MAX_ENCODED_BYTES:,} bytes of an image")
            yield f"{part}/{number}{ending(name)}", data

    # --- what people are told ---

    def _say(self, part: Part, what: str) -> None:
        print(f"download: {printable(part.folder) or self.tree.shown}: {what}")

    def _say_what_is_left_out(self) -> None:
        for part in self.found:
            if part.left_out:
                count = sum(part.left_out.values())
                where = printable(part.folder) or self.tree.shown
                lost = f"; classes without an image: {', '.join(lost)}" if (lost := self._lost(part)) else ""
                print(f"download: {_count(count, 'file')} of {where} left out: {_list(part.left_out)}{lost}")
            if part.deeper:
                what = f"{_count(part.deeper, 'image')} in deeper folders"
                self._say(part, f"{what}: the first folder tells the class")
        used = {*self.tables.values(), *self.archives.values()}
        folders = tuple(part.folder for part in self.found)
        beside = Counter(
            name[len(self.root) :].partition("/")[0] if name.startswith(self.root) else name.partition("/")[0]
            for name in self.tree.names
            if name not in used and not name.startswith(folders)
        )
        if beside:
            print(f"download: {_count(sum(beside.values()), 'other file')} left out: {printable(_list(beside))}")
        if self.tree.passed_over:
            print(f"download: not followed or read: {_list(self.tree.passed_over)}")

    def _lost(self, part: Part) -> list[str]:
        """Folders beside those of the classes that hold files, but no image."""
        start = min((name[: name.find(f"{label}/")] for name, label in part.images.items() if label), default=None)
        if start is None:
            return []
        inside = [name[len(start) :] for name in self.tree.names if name.startswith(start)]
        folders = {name.partition("/")[0] for name in inside if "/" in name}
        return sorted(printable(folder) for folder in folders - set(part.images.values()))[:MOST_REASONS]


def _count(number: int, one: str, several: str = "") -> str:
    """`1 image`, `2 images`"""
    return f"{number:,} {one if number == 1 else several or f'{one}s'}"


def _list(counts: Counter[str]) -> str:
    """`.heic 7, deeper folders 1`"""
    most = counts.most_common(MOST_REASONS)
    rest = len(counts) - len(most)
    return ", ".join([*(f"{name} {count:,}" for name, count in most), *([f"{rest} more kinds"] if rest else [])])
