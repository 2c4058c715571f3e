"""download: the competition's files from the chosen source."""

from pathlib import Path

from cifar10 import competition
from cifar10.core.config import DataConfig, load_config
from cifar10.core.stage import run_stage


def main(raw: Path) -> None:
    """Write the raw files (see `cifar10.competition`) into the folder `raw`."""
    config = load_config(DataConfig, section="data")
    competition.fetch(config, raw)
    megabytes = sum((raw / name).stat().st_size for name in competition.FILES) / 1e6
    print(f"download: {config.source}: {len(competition.FILES)} files, {megabytes:.1f} MB in {raw}")


if __name__ == "__main__":
    run_stage(main)
