"""What is wrong with this machine or checkout, a line for each finding with what to do about it."""

import platform
import shutil
import tomllib
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from cifar10.app.health.leftovers import check_leftovers, size_mb
from cifar10.app.health.repair import repair
from cifar10.app.health.repository import repository_fault, runs_apart_fault
from cifar10.competition.kaggle_credentials import NO_CREDENTIALS, check_mode, find_credentials
from cifar10.core.config import DataConfig, InputError, load_config
from cifar10.core.files import mount_point
from cifar10.engine.runtime import RuntimeConfig
from cifar10.evaluation.origin import cache_dir

RAW, PREPARED = Path("data/raw"), Path("data/prepared")

# MB that each source brings, packed and as arrays; DVC's cache holds all outs a second time. A local one is measured.
SIZES_MB: dict[str, tuple[float, float]] = {
    "sample": (1.0, 6.0),
    "torchvision": (330.0, 185.0),
    "kaggle": (715.0, 1076.0),
}
ARRAYS_PER_PACKED = 2.0  # 3,072 bytes of pixels for each PNG or JPEG of 1.5 to 2.5 kB
TRAINING_MB = 500.0  # model, kept states, reports, the cache of these


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    text: str  # with what to do about it, if there is anything to do
    stops: bool = False  # the run cannot go on with it


def examine() -> list[Finding]:
    """Repair what dead runs left, then look at programs, GPU, disk, credentials and leftovers."""
    config = load_config(DataConfig, section="data")
    runtime = load_config(RuntimeConfig, section="runtime")
    repaired = [Finding(f"repaired: {line}") for line in repair()]
    return [
        *repaired, *check_repository(), *check_python(), *check_packages(), *check_gpu(runtime), *check_disk(config),
        *check_credentials(needed=config.source == "kaggle"), *map(Finding, check_leftovers()),
    ]  # fmt: skip


def check_repository() -> list[Finding]:
    """Whether DVC takes the folder for a repository, and whether it can run in folders of their own."""
    if fault := repository_fault():
        return [Finding(fault, True)]
    return [Finding(fault)] if (fault := runs_apart_fault(cache_dir)) else []


def check_python() -> list[Finding]:
    """The interpreter's version."""
    found, wanted = platform.python_version(), _project()["requires-python"]
    if SpecifierSet(wanted).contains(found, prereleases=True):
        return [Finding(f"Python {found}")]
    return [Finding(f"Python {found}: {wanted} is needed; `make clean`, then `make PYTHON=python3.11`", True)]


def check_packages() -> list[Finding]:
    """The versions of torch and of all else that pyproject.toml asks for."""
    findings: list[Finding] = []
    for requirement in map(Requirement, _project()["dependencies"]):
        try:
            found = version(requirement.name)
        except PackageNotFoundError:
            findings.append(Finding(f"{requirement.name}: not installed; `make` installs it", True))
            continue
        if not requirement.specifier.contains(found, prereleases=True):
            wanted = f"{requirement.name}{requirement.specifier}"
            findings.append(Finding(f"{requirement.name} {found}: {wanted} is needed; `make clean`, then `make`", True))
    return [*findings, Finding(f"torch {version('torch')}")]


def _project() -> dict[str, Any]:
    """What pyproject.toml says today; what pip noted when the package was installed may be older."""
    return tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"]


def check_gpu(config: RuntimeConfig) -> list[Finding]:
    """Whether torch sees the GPU that params.yaml asks for, or that is there."""
    import torch

    count = torch.cuda.device_count()
    if count:
        findings = [Finding(f"GPU: {count} x {torch.cuda.get_device_name(0)}")]
        if config.device in ("auto", "cuda") and config.num_processes > count:
            asked = f"runtime.num_processes: {config.num_processes} in params.yaml"
            findings.append(Finding(f"{asked}, but {count} GPUs are visible; lower it", True))
        return findings
    if config.device == "cuda":
        return [Finding("GPU: torch sees none, and params.yaml has runtime.device: cuda; set it to auto", True)]
    if shutil.which("nvidia-smi"):
        return [Finding("GPU: a driver is there, but torch sees no GPU; `nvidia-smi` says whether it works")]
    return [Finding("GPU: none; training runs on the processor")]


def check_disk(config: DataConfig) -> list[Finding]:
    """Free space against what the outs that are not there yet will take."""
    free = shutil.disk_usage(".").free / 1e6
    needed = needed_mb(config)
    text = f"disk: {free:,.0f} MB free on {mount_point(Path())}, {needed:,.0f} MB needed"
    return [Finding(text) if free >= needed else Finding(f"{text}; free some space", True)]


def needed_mb(config: DataConfig) -> float:
    """MB that a run writes, DVC's cache included."""
    if config.source == "local" and config.path:
        packed = size_mb(Path(config.path).expanduser())
        arrays = ARRAYS_PER_PACKED * packed
    else:
        packed, arrays = SIZES_MB.get(config.source, (0.0, 0.0))
    downloads = packed if config.source in ("torchvision", "kaggle") else 0.0  # beside the files made of it
    raw = 0.0 if (RAW / "solution.csv").exists() else 2 * packed + downloads
    prepared = 0.0 if PREPARED.exists() else 2 * arrays
    return raw + prepared + TRAINING_MB


def check_credentials(needed: bool) -> list[Finding]:
    """Whether there is something to show to Kaggle, and that nobody else can read it; never what it is."""
    try:
        credentials = find_credentials()
        warning = check_mode(credentials)
    except InputError as error:
        if str(error) == NO_CREDENTIALS and not needed:
            return [Finding("Kaggle: no credentials; data.source needs none")]
        return [Finding(f"Kaggle: {str(error).removeprefix('kaggle: ')}", stops=needed)]
    there = Finding(f"Kaggle: credentials are there: {credentials.place}")
    return [Finding(f"Kaggle: {warning}"), there] if warning else [there]
