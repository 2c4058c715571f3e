"""The competition itself, with the user's Kaggle account."""

from pathlib import Path

from cifar10.competition.kaggle_download import download
from cifar10.competition.local import write_from
from cifar10.core.config import DataConfig


def fetch(config: DataConfig, out: Path, downloads: Path) -> None:
    """Download the competition's zip and take the four files out of it."""
    archive = download(config.competition, downloads)
    write_from(archive, out)
    archive.unlink()  # 715 MB that the four files hold again
