"""params: every key of params.yaml is one that somebody reads.

A stage of its own, and the first: DVC runs a stage only when a parameter that it tracks has changed, so a misspelt key,
which none tracks, would be skipped in silence. What it writes is the same for every params.yaml, so that nothing runs
after it. It takes half a second, for it imports neither torch nor the config classes that stand beside it.
"""

from pathlib import Path

from cifar10.core.config import TOP_LEVEL_KEYS, DataConfig, EnsembleConfig, check_known, read_params
from cifar10.core.files import atomic_write
from cifar10.core.stage import run_stage

# The sections of which the stages track single keys, or that are read only after the training.
SECTION_KEYS = {
    "data": tuple(DataConfig.model_fields),
    "ensemble": tuple(EnsembleConfig.model_fields),
    "runtime": (
        "device", "precision", "channels_last", "deterministic", "compile", "checkpoint_minutes", "num_processes",
        "tensorboard",
    ),
    "predict": ("batch_size", "tta", "tta_below_confidence"),
    "evaluate": ("training_accuracy",),
}  # fmt: skip


def main(params: Path, known: Path) -> None:
    """Refuse an unknown key of the file `params`; write the list of the known ones."""
    values = read_params(params)
    for section, keys in SECTION_KEYS.items():
        if isinstance(values.get(section), dict):
            check_known(values[section], keys, str(params), f"{section}.")
    nested = [f"{section}.{key}" for section, keys in SECTION_KEYS.items() for key in keys]
    atomic_write(known, "\n".join([*TOP_LEVEL_KEYS, *nested]) + "\n")


if __name__ == "__main__":
    run_stage(main)
