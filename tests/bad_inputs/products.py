"""What earlier stages made: model files, prepared arrays, the report's sources, submissions; and pictures."""

import io
import os
import shutil
from functools import partial
from pathlib import Path
from typing import Any

import torch

from bad_inputs.archives import flip_at
from bad_inputs.case import Case, cut, edit, flip, to_folder, trained, write
from bad_inputs.images import FRAMES, GOOD, IMAGE, PLAIN, encoded, flipped, header
from bad_inputs.tables import HTML, double, rewrite
from cifar10.data.dataset import FILES
from cifar10.models.checkpoint import save_model, seal

MODEL, PREPARED, SUBMISSION = "models/model.pt", "data/prepared", "submissions/submission.csv"


class Payload:
    """Runs a command where it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, ("touch ran",)


def packed(content: object) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()


def change_model(key: str, value: object) -> None:
    """The model file with another value for a key, its checksum right."""
    content = torch.load(MODEL, weights_only=True) | {key: value}
    write(MODEL, seal(packed(content)))


def other_network() -> None:
    """The weights of one network under the name of another."""
    save_model(Path(MODEL), trained("cnn2"))
    content = torch.load(MODEL, weights_only=True)
    content["model"]["name"] = "lenet"
    write(MODEL, seal(packed(content)))


def other_classes(*classes: str) -> None:
    save_model(Path(MODEL), trained(classes=classes))


def used(path: str) -> set[str]:
    """The classes that a submission names."""
    return {line.partition(",")[2] for line in Path(path).read_text().splitlines()[1:]}


FLIPS = (0, 0.01, 0.3, 0.5, 0.9, 0.9999)
BAD_MODELS = {
    "missing": (lambda: Path(MODEL).unlink(), "not found"),
    "a folder": (partial(to_folder, MODEL), "directory"),
    "empty": (partial(write, MODEL, b""), "model file"),
    "text": (partial(write, MODEL, "hello world\n" * 20), "model file"),
    "login page": (partial(write, MODEL, HTML), "model file"),
    "image": (partial(write, MODEL, GOOD), "model file"),
    "cut": (partial(cut, MODEL), "damaged"),
    "last byte missing": (partial(cut, MODEL, 0.99999), "damaged"),
    **{f"bit flipped at {share}": (partial(flip, MODEL, share), "damaged") for share in FLIPS},
    "plain weights": (lambda: write(MODEL, packed({"weight": torch.zeros(1)})), "model file"),
    "malicious pickle": (lambda: write(MODEL, packed(Payload())), "model file"),
    "malicious pickle with a right checksum": (lambda: write(MODEL, seal(packed(Payload()))), "model file"),
    "malicious weight": (lambda: change_model("state_dict", Payload()), "model file"),
    "list": (lambda: write(MODEL, seal(packed([1, 2]))), "another version"),
    "older format": (partial(change_model, "format", "cifar10 model 1"), "another version"),
    "no classes": (partial(change_model, "classes", []), "another version"),
    "classes as numbers": (partial(change_model, "classes", [1, 2, 3]), "another version"),
    "two channels": (partial(change_model, "mean", [0.5, 0.5]), "another version"),
    "mean of NaN": (partial(change_model, "mean", [0.5, 0.5, float("nan")]), "another version"),
    "a billion members": (partial(change_model, "members", 10**9), "another version"),
    "provenance as text": (partial(change_model, "provenance", "here"), "another version"),
    "no such network": (partial(change_model, "model", {"name": "resnet81"}), "another version"),
    "no weights": (partial(change_model, "state_dict", {}), "another version"),
    "weights as numbers": (partial(change_model, "state_dict", {"0.weight": 1}), "another version"),
    "other architecture": (other_network, "another version"),
    "other classes": (partial(other_classes, "cat", "dog", "frog"), "cat, dog, frog"),
    "two classes": (partial(other_classes, "blue", "red"), "blue, red"),
}  # fmt: skip
BAD_PREPARED = {
    **{f"{name} missing": (lambda name=name: Path(PREPARED, name).unlink(), name) for name in FILES},
    **{f"{name} cut": (partial(cut, f"{PREPARED}/{name}"), name) for name in FILES},
    **{f"{name} flipped": (partial(flip, f"{PREPARED}/{name}", 0.9), name) for name in FILES},
    "array of another shape": (
        lambda: shutil.copy(f"{PREPARED}/test_ids.npy", f"{PREPARED}/test_images.npy"),
        "images",
    ),
    "missing": (lambda: shutil.rmtree(PREPARED), "dataset.json"),
    "description cut": (partial(cut, f"{PREPARED}/dataset.json"), "dvc repro prepare"),
    "description flipped": (lambda: edit(f"{PREPARED}/dataset.json", '"red"', '"rad"'), "dataset.json"),
    "description without sums": (partial(write, f"{PREPARED}/dataset.json", '{"classes": []}'), "dataset.json"),
    "description as a list": (partial(write, f"{PREPARED}/dataset.json", "[]"), "dataset.json"),
    "description of another run": (
        lambda: edit(f"{PREPARED}/dataset.json", '"sha256": {', '"sha256": {"x": 1, '),
        "json",
    ),
}
BAD_CARD, BAD_HISTORY = ("", "{", "[]", "{}", '{"train": 1}'), ("", HTML, "epoch\n1\n", "epoch,lr,train_loss\n1,x,y\n")
BAD_METRICS = ("", "{", "[]", '{"validation": {}}', '{"validation": {"accuracy": "high"}}')
BAD_SUBMISSIONS = {
    "missing": (lambda path: Path(path).unlink(), "not found"),
    "empty": (partial(write, content=""), "empty"),
    "row missing": (partial(edit, old="3,", new="\r\n3,"), "line 4"),
    "last rows missing": (partial(cut, share=0.5), ""),
    "header alone": (partial(write, content="id,label\n"), "0 rows"),
    "no header": (partial(edit, old="id,label\n", new=""), "line 1"),
    "header twice": (double, "line 14"),
    "id of no image": (partial(edit, old="\n12,", new="\n13,"), "row 12"),
    "ids from 0": (lambda path: [edit(path, f"\n{i},", f"\n{i - 1},") for i in range(1, 13)], "row 1"),
    "id twice": (partial(edit, old="\n12,", new="\n11,"), "id 11"),
    "unknown class": (lambda path: Path(path).write_text(Path(path).read_text()[:-2] + "x\n"), "id 12"),
    "class in capitals": (lambda path: [rewrite(path, name, name.upper()) for name in used(path)], "id 1"),
    "numbers for classes": (lambda path: write(path, "id,label\n" + "".join(f"{i},0\n" for i in range(1, 13))), "id 1"),
    "probabilities": (partial(edit, old="1,", new="1,0.9,"), "line 2"),
    "CR alone": (partial(rewrite, old="\n", new="\r"), "line 1"),
    "semicolons": (partial(rewrite, old=",", new=";"), "line 1"),
    "login page": (partial(write, content=HTML), "line 1"),
    "picture": (partial(write, content=GOOD), "UTF-8"),
}  # fmt: skip
BAD_PICTURES = {
    "missing": None, "empty": b"", "text": b"no picture", "SVG": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
    "HTML": HTML.encode(), "PNG cut": GOOD[:500], "PNG flipped": flipped(GOOD, 400), "PNG of stored pixels flipped":
    flipped(PLAIN, 400), "JPEG cut": encoded(IMAGE, "JPEG")[:300], "GIF cut": encoded(IMAGE.convert("P"), "GIF")[:200],
    "bomb": header(30_000, 30_000), "no width": header(0, 32), "APNG flipped": flip_at(
        encoded(FRAMES[0], save_all=True, append_images=FRAMES[1:]), b"fdAT"),
}  # fmt: skip


def put_picture(data: bytes | None) -> None:
    Path("photo.png").unlink()
    if data is not None:
        write("photo.png", data)


CASES = {
    f"model: {name}": Case("predict", spoil, (MODEL, item), apart=name == "malicious pickle with a right checksum")
    for name, (spoil, item) in BAD_MODELS.items()
}
CASES |= {
    f"model of evaluate: {name}": Case("evaluate", BAD_MODELS[name][0], (MODEL, BAD_MODELS[name][1]))
    for name in ("cut", "other classes")
}
CASES |= {f"prepared: {name}": Case("train", spoil, (PREPARED, item)) for name, (spoil, item) in BAD_PREPARED.items()}
for command, path, texts in (
    ("evaluate", "reports/data.json", BAD_CARD),
    ("evaluate", "reports/train/history.csv", BAD_HISTORY),
    ("cifar10 results", "reports/eval/metrics.json", BAD_METRICS),
):
    CASES |= {f"{path} {k}": Case(command, partial(write, path, text), (path,)) for k, text in enumerate(texts)}
CASES |= {
    f"submission: {name}": Case("cifar10 submit --yes", partial(spoil, SUBMISSION), (SUBMISSION, item))
    for name, (spoil, item) in BAD_SUBMISSIONS.items()
}
CASES |= {
    f"picture: {name}": Case("cifar10 classify photo.png", partial(put_picture, data), ("photo.png",))
    for name, data in BAD_PICTURES.items()
}
CASES |= {
    "picture: folder of none": Case("cifar10 classify given", lambda: None, ("given",)),
    "picture: address of a file": Case("cifar10 classify file:///etc/hosts", lambda: None, ("file:///etc/hosts",)),
}
