"""Where the competition's files come from.

Whatever the source, the same files arrive in one folder, in the form in which Kaggle hands them out:
`train.7z` and `test.7z` (images named by id), `trainLabels.csv`, `sampleSubmission.csv`, and `solution.csv` with the
test labels where the source has them, else its header alone; `origins.csv` with what the user calls each image.
"""

import shutil
from collections.abc import Callable
from pathlib import Path

from cifar10.competition import kaggle, local, sample, torchvision
from cifar10.competition.layout import FILES
from cifar10.core.config import PARAMS, DataConfig, InputError
from cifar10.core.files import tell_disk_full
from cifar10.images.origins import write_origins

# Each writes the files into an empty folder. It may keep what it downloads in a second one, which outlives a
# failed or killed attempt.
SOURCES: dict[str, Callable[[DataConfig, Path, Path], None]] = {
    "sample": sample.fetch,
    "local": local.fetch,
    "torchvision": torchvision.fetch,
    "kaggle": kaggle.fetch,
}


def fetch(config: DataConfig, raw: Path) -> None:
    """Bring the files of `config.source` into the folder `raw`: all of them, or none.

    Raises:
        InputError: the source is unknown, or does not have what the competition needs.
    """
    if config.source not in SOURCES:
        raise InputError(f"{PARAMS}: data.source: choose one of {', '.join(SOURCES)}, not {config.source!r}")
    incoming, downloads = raw / ".incoming", raw / ".downloads"
    shutil.rmtree(incoming, ignore_errors=True)
    with tell_disk_full(raw):
        incoming.mkdir(parents=True)
        try:
            write_origins(incoming)  # without rows; a source may write its own
            SOURCES[config.source](config, incoming, downloads)
            for name in FILES:
                assert (incoming / name).is_file(), f"{config.source} left out {name}"
            for name in FILES:
                (incoming / name).replace(raw / name)
        finally:
            shutil.rmtree(incoming, ignore_errors=True)
