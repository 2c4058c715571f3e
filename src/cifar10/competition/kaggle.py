"""The competition itself, with the user's Kaggle account."""

from pathlib import Path

from cifar10.competition.local import write_from
from cifar10.config import DataConfig
from cifar10.kaggle_api.download import download


def fetch(config: DataConfig, out: Path, downloads: Path) -> None:
    """Download the competition's zip and take the four files out of it."""
    archive = download(config.competition, downloads)
    write_from(archive, out)
    archive.unlink()  # 715 MB that the four files hold again
