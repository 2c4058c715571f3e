"""params.yaml and experiments.yaml: every key with a value that it cannot have, and files that are not YAML."""

import copy
import json
from functools import partial
from pathlib import Path
from typing import Any

from conftest import read_default_params

from bad_inputs.case import EXPERIMENT, PARAMS, Case, edit, to_folder, write

FILE = "params.yaml"


def reader(key: str) -> str:
    """A stage that reads a key."""
    section = key.partition(".")[0]
    return {"data": "prepare", "predict": "predict", "evaluate": "evaluate"}.get(section, "train")


def leaves(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Dotted key -> value."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        found |= leaves(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value}
    return found


def with_value(key: str, value: Any, shown: str, apart: bool = False) -> Case:
    return Case(reader(key), partial(change, {key: value}), (FILE, key, shown), apart)


def override(params: dict[str, Any], overrides: dict[str, Any]) -> dict[str, Any]:
    """The parameters with the values at dotted keys set, those that no one knows too."""
    for key, value in overrides.items():
        *sections, last = key.split(".")
        node = params
        for section in sections:
            node = node[section]
        node[last] = value
    return params


def change(overrides: dict[str, Any]) -> None:
    """params.yaml in YAML's short form, which is JSON but for these two."""
    text = json.dumps(override(copy.deepcopy(RUN), overrides))
    write(FILE, text.replace("NaN", ".nan").replace("Infinity", ".inf"))


def repeat(opening: str, closing: str) -> str:
    return f"lr: {opening * 600}{closing * 600}\n"


RUN = override(read_default_params(), PARAMS)
LEAVES = leaves(read_default_params())
HUGE = 10**40
BAD_VALUES = {
    "negative": [("lr", -0.1), ("seed", -1), ("optimizer.weight_decay", -1e-4), ("runtime.checkpoint_minutes", -1.0)],
    "zero": [("lr", 0.0), ("epochs", 0), ("batch_size", 0), ("runtime.num_processes", 0), ("predict.batch_size", 0)],
    "too small": [("batch_size", 1)],
    "beyond its range": [
        ("data.val_fraction", 1.0), ("optimizer.momentum", 1.0), ("loss.label_smoothing", 1.5),
        ("augment.crop_padding_pixels", 33), ("predict.tta_below_confidence", 1.1), ("schedule.warmup_fraction", 1.0),
    ],
    "not a choice": [
        ("model.name", "resnet81"), ("optimizer.name", "lion"), ("schedule.name", "step"), ("predict.tta", "many"),
        ("runtime.device", "gpu"), ("runtime.precision", "float16"), ("runtime.compile", "yes"),
        ("model.activation", "tanhh"), ("model.initialization", "zeros"),
    ],
}  # fmt: skip
FLOATS = [key for key, value in LEAVES.items() if isinstance(value, float)]
INTEGERS = [key for key, value in LEAVES.items() if type(value) is int]
UNBOUNDED = {"schedule.patience_epochs", "schedule.warmup_epochs"}  # any number of epochs is one that never comes

CASES = {f"type: {key}": with_value(key, {"a": 1}, "") for key in LEAVES}
CASES |= {f"NaN: {key}": with_value(key, float("nan"), "nan") for key in FLOATS}
CASES |= {f"huge: {key}": with_value(key, HUGE, "a huge number") for key in INTEGERS if key not in UNBOUNDED}
CASES |= {
    f"{kind}: {key}": with_value(key, value, str(value)) for kind, pairs in BAD_VALUES.items() for key, value in pairs
}
CASES |= {
    "text for a number": with_value("lr", "fast", "'fast'"),
    "text for a whole number": with_value("epochs", "10", "'10'"),
    "infinity": with_value("lr", float("inf"), "inf"),
    "list for a number": with_value("lr", [0.1, 0.2], "[0.1, 0.2]"),
    "list too short": with_value("optimizer.betas", [0.9], "betas"),
    "milestones that fall": Case(
        "train", partial(change, {"schedule.milestones_epochs": [3, 2]}), (FILE, "milestones_epochs must ascend")
    ),
    "section of another kind": Case("train", partial(change, {"optimizer": "sgd"}), (FILE, "optimizer", "sgd")),
    "key missing": Case("prepare", partial(edit, FILE, "  val_fraction: 0.2\n", ""), (FILE, "val_fraction: missing")),
    "section missing": Case("prepare", partial(change, {"data": None}), (FILE, "data")),
    "unknown section": Case("prepare", partial(change, {"modle": 1}), (FILE, "modle", "did you mean model?"), True),
    "unknown key": Case("train", partial(change, {"optimizer.momentun": 0.9}), (FILE, "optimizer.momentun")),
    "unknown key like no other": Case("train", partial(change, {"augment.zebra": 1}), (FILE, "augment.zebra")),
    "key of a kilobyte": Case("prepare", partial(change, {"k" * 1000: 1}), (FILE, "unknown key")),
    "no such source": Case("download", partial(change, {"data.source": "kagle"}), (FILE, "data.source", "'kagle'")),
    "no path": Case("download", partial(change, {"data.path": None}), (FILE, "data.path")),
    "path of a stranger": Case("download", partial(change, {"data.path": "~no-one/x"}), (FILE, "data.path")),
    "path of ten kilobytes": Case("download", partial(change, {"data.path": "x" * 10_000}), ("xxx",)),
    "option of another network": Case("train", partial(change, {"model.stem_max_pool": True}), (FILE, "stem_max_pool")),
    "weights that are not there": Case(
        "train", partial(change, {"model.pretrained": "none.pth"}), (FILE, "model.pretrained", "none.pth")
    ),
    "weights of a stranger": Case("train", partial(change, {"model.pretrained": "~no-one/w.pth"}), (FILE, "~no-one")),
    "split of too few": Case("prepare", partial(change, {"data.val_fraction": 0.99}), ("data.val_fraction", "0.99")),
    "several at once": Case("train", partial(change, {"lr": -1, "seed": -1, "epochs": 0}), (FILE, "seed", "2 more")),
}  # fmt: skip

TEXTS = {
    "missing": (lambda path: Path(path).unlink(), "not found"),
    "a folder": (to_folder, "directory"),
    "empty": (partial(write, content=""), "NoneType"),
    "a list": (partial(write, content="- 1\n"), "list"),
    "open bracket": (partial(write, content="lr: [\n"), "YAML"),
    "tab": (partial(write, content="data:\n\tlr: 1\n"), "YAML"),
    "key twice": (partial(write, content="lr: 1\nlr: 2\n"), "lr"),
    "not UTF-8": (partial(write, content=b"lr: \xff\n"), "byte 4"),
    "NUL": (partial(write, content="lr: \0\n"), "YAML"),
    "python object": (partial(write, content="lr: !!python/object/apply:os.system ['touch ran']\n"), "YAML"),
    "python name": (partial(write, content="lr: !!python/name:os.system\n"), "YAML"),
    "own tag": (partial(write, content="lr: !lr 0.1\n"), "YAML"),
    "no such day": (partial(write, content="lr: 2026-02-31\n"), "YAML"),
    "no such integer": (partial(write, content="lr: !!int many\n"), "YAML"),
    "no such bool": (partial(write, content="lr: !!bool maybe\n"), "YAML"),
    "integer of 5000 digits": (partial(write, content=f"lr: {'9' * 5000}\n"), "YAML"),
    "deep lists": (partial(write, content=repeat("[", "]")), "YAML"),
    "two documents": (partial(write, content="lr: 1\n---\nlr: 2\n"), "YAML"),
    "unknown alias": (partial(write, content="lr: *none\n"), "YAML"),
}
CASES |= {
    f"{path}: {name}": Case(command, partial(spoil, path), (path, item))
    for path, command in ((FILE, "prepare"), ("experiments.yaml", "cifar10 replicate lenet"))
    for name, (spoil, item) in TEXTS.items()
}
CASES["billions by aliases"] = Case("train", lambda: _add_bomb("lr"), (FILE, "lr"))
CASES["a section of billions"] = Case("train", lambda: _add_bomb("optimizer"), (FILE, "optimizer"))


def _add_bomb(key: str) -> None:
    """Aliases of aliases as the value of a key: 9 ** 12 words if written out."""
    change({key: "BOMB"})
    text = Path(FILE).read_text()
    bomb = "[x, x, x, x, x, x, x, x, x]"
    for number in range(11):
        bomb = f"[&a{number} {bomb}" + f", *a{number}" * 8 + "]"
    write(FILE, text.replace('"BOMB"', bomb))


BAD_EXPERIMENTS = {
    "accuracy above 1": (("0.53", "53"), "published"),
    "accuracy of NaN": (("0.53", ".nan"), "published"),
    "accuracy as text": (("0.53", "half"), "published"),
    "measured elsewhere": (("test,", "train,"), "measured_on"),
    "no source": (("source: a tutorial, ", ""), "source"),
    "unknown key of an experiment": (("source", "sauce"), "source"),
    "overrides as a list": (("{lr: 0.1}", "[lr]"), "overrides"),
    "override of no parameter": (("{lr: 0.1}", "{rl: 0.1}"), "rl"),
    "an experiment as a number": ((EXPERIMENT.partition(": ")[2], "1\n"), "lenet"),
    "no such experiment": (("lenet: ", "lenett: "), "'lenet'"),
}
CASES |= {
    name: Case(
        "cifar10 replicate lenet",
        partial(write, "experiments.yaml", EXPERIMENT.replace(*pair)),
        ("experiments.yaml" if "no parameter" not in name else "rl", item),
    )
    for name, (pair, item) in BAD_EXPERIMENTS.items()
}
