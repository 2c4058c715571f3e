"""The house: dvc.yaml lists exactly the modules a stage is made of, and imports keep to their rooms."""

import ast
from functools import cache
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from cifar10.app import paths

ROOT = Path(__file__).parents[1]
SRC = ROOT / "src"
PIPELINE = YAML(typ="safe").load(ROOT / "dvc.yaml")
STAGES = PIPELINE["stages"]
MODULES = {
    ".".join(path.relative_to(SRC).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(SRC.glob("cifar10/**/*.py"))
}

# third party -> the only modules that may import it
ROOMS = {
    "ruamel": {"cifar10.core.config"},
    "pydantic": None,  # config classes live beside their owners
    "kaggle": {"cifar10.competition.kaggle_client"},
    "py7zr": {"cifar10.images.seven_zip"},
    "PIL": {"cifar10.images.codec", "cifar10.images.pixels", "cifar10.evaluation.report.pictures"},
    "sklearn": {"cifar10.preparation.split", "cifar10.evaluation.metrics", "cifar10.competition.sample"},
    "scipy": {"cifar10.app.lr_finder", "cifar10.evaluation.metrics"},
    "matplotlib": {
        "cifar10.app.experiments.compare",
        "cifar10.app.lr_finder",
        "cifar10.evaluation.report.figures",
        "cifar10.evaluation.report.pictures",
        "cifar10.app.tuning.study",
    },
    "optuna": {"cifar10.app.tuning.study"},
    "jinja2": {"cifar10.evaluation.report.page"},
    "dvc": {"cifar10.app.experiments.revisions", "cifar10.app.health.repair", "cifar10.app.yaml_edit"},
    "filelock": {"cifar10.core.locks", "cifar10.app.tuning.session"},
    "psutil": {"cifar10.core.stage", "cifar10.app.health.repair"},
    "packaging": {"cifar10.app.health.doctor", "cifar10.competition.kaggle_client"},
    "torchvision": {
        "cifar10.competition.torchvision",
        "cifar10.models.resnet",
        "cifar10.models.pretrained",
        "cifar10.training.augment",
    },
    "safetensors": {"cifar10.models.pretrained"},
}
# The floors, from the ground up: a package imports from its own and from those below, never sideways or up.
FLOORS = [
    {"core"},
    {"images", "data", "models", "submission"},
    {"competition", "preparation", "engine"},
    {"training", "evaluation"},
    {"stages", "app"},
]
FLOOR_OF = {package: number for number, floor in enumerate(FLOORS) for package in floor}
# What lies in the folders of a cheap stage and is not needed; `download` (715 MB) and `train` (hours) have nothing.
EXTRAS = {
    "params": {"cifar10.core.tables"},
    "prepare": {"cifar10.data.batches"},
    "evaluate": {"cifar10.models.summary", "cifar10.engine.peak"},
    "predict": {"cifar10.models.summary", "cifar10.engine.peak", "cifar10.engine.provenance"},
}
# A dep that is no input: it only says that `params` comes first.
ORDER_ONLY = "data/keys.txt"
MOST_SOURCE_DEPS = 6
MOST_FLAT_MODULES = 2


@cache
def imported_names(module: str) -> frozenset[str]:
    """Dotted names that a module imports anywhere in its text, functions included."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(MODULES[module].read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: relative import"
            assert node.module
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return frozenset(names)


@cache
def first_party(module: str) -> frozenset[str]:
    """The modules of ours that `module` imports directly; importing a module runs the packages around it too."""
    found: set[str] = set()
    for name in imported_names(module):
        known = next((n for n in (name, name.rpartition(".")[0]) if n in MODULES), None)
        if known:
            parts = known.split(".")
            found |= {".".join(parts[:i]) for i in range(1, len(parts) + 1)}
    return frozenset(found - {module})


def closure(module: str) -> set[str]:
    parts = module.split(".")
    seen: set[str] = set()
    queue = [".".join(parts[:i]) for i in range(1, len(parts) + 1)]
    while queue:
        current = queue.pop()
        if current not in seen:
            seen.add(current)
            queue += first_party(current)
    return seen


def expand(dep: str) -> set[str]:
    """A dep that is code -> the files it stands for."""
    path = ROOT / dep
    return {p.relative_to(ROOT).as_posix() for p in ([path] if path.is_file() else path.glob("**/*.py"))}


def says_something(module: str) -> bool:
    """Whether a module is more than the docstring of its package."""
    return len(ast.parse(MODULES[module].read_text()).body) > 1


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_depends_on_the_folders_it_imports_from(stage):
    needed = {name for name in closure(f"cifar10.stages.{stage}") if says_something(name)}
    listed = [dep for dep in STAGES[stage]["deps"] if dep.startswith("src/")]
    files = set().union(*(expand(dep) for dep in listed))
    covered = {name for name, path in MODULES.items() if path.relative_to(ROOT).as_posix() in files}
    assert needed <= covered, f"missing {sorted(needed - covered)}"
    assert {name for name in covered - needed if says_something(name)} == EXTRAS.get(stage, set())
    assert sum(len(expand(dep)) for dep in listed) == len(covered), "a file is listed twice"
    assert len(listed) <= MOST_SOURCE_DEPS


@pytest.mark.parametrize("stage", STAGES)
def test_no_stage_depends_on_what_people_type(stage):
    assert not {name for name in closure(f"cifar10.stages.{stage}") if name.startswith("cifar10.app")}


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_lists_the_templates_beside_its_modules(stage):
    templates = set(SRC.glob("cifar10/**/*.j2"))
    used = {
        path for path in templates if path.parent in {MODULES[n].parent for n in closure(f"cifar10.stages.{stage}")}
    }
    assert templates, "no template to test with"
    assert used <= {path for dep in STAGES[stage]["deps"] for path in (ROOT / dep).glob("**/*.j2")}


@pytest.mark.parametrize("stage", STAGES)
def test_a_command_passes_its_paths_and_no_parameter(stage):
    """A parameter in a command is raw shell; a path that only the code knows is a dependency that DVC does not see."""
    description = STAGES[stage]
    command = description["cmd"].split()
    assert command[:3] == ["python", "-m", f"cifar10.stages.{stage}"]
    assert "$" not in description["cmd"]
    outs = description.get("outs", []) + description.get("metrics", [])
    inputs = [dep for dep in description["deps"] if not dep.startswith("src/") and dep != ORDER_ONLY]
    for path in inputs + outs:
        assert any(path == argument or path.startswith(f"{argument}/") for argument in command[3:]), path
    for argument in command[3:]:
        listed = [*description["deps"], *outs]
        assert any(path == argument or path.startswith(f"{argument}/") for path in listed), argument


def test_stages_have_one_order():
    files = {path.stem for path in (SRC / "cifar10/stages").glob("*.py")} - {"__init__"}
    assert list(STAGES) == ["params", "download", "prepare", "train", "evaluate", "predict"]
    assert [stage for stage in STAGES if ORDER_ONLY in STAGES[stage]["deps"]] == ["download"]
    assert files == set(STAGES)


@pytest.mark.parametrize("stage", STAGES)
def test_outs_keep_the_run_cache_on(stage):
    """One uncached or persisted out switches DVC's run cache off for its stage."""
    for out in STAGES[stage].get("outs", []) + STAGES[stage].get("metrics", []):
        assert isinstance(out, str), out


@pytest.mark.parametrize("module", MODULES)
def test_nothing_imports_a_stage(module):
    assert not {name for name in first_party(module) if name.startswith("cifar10.stages.")}


def package_of(module: str) -> str:
    """The package right below `cifar10`, or the flat module there."""
    return module.split(".")[1]


@pytest.mark.parametrize("module", sorted(set(MODULES) - {"cifar10"}))
def test_imports_go_down_the_floors(module):
    used = {package_of(name) for name in first_party(module) - {"cifar10"}} - {package_of(module)}
    assert not {package for package in used if FLOOR_OF[package] >= FLOOR_OF[package_of(module)]}


def test_every_package_has_its_floor_and_few_modules_have_no_package():
    packages = {package_of(name) for name in MODULES if name != "cifar10"}
    assert packages == set(FLOOR_OF)
    flat = [name for name in packages if (SRC / "cifar10" / f"{name}.py").is_file()]
    assert len(flat) <= MOST_FLAT_MODULES


def test_paths_of_the_commands_are_outs_of_the_stages():
    outs = {out for stage in STAGES.values() for out in stage.get("outs", []) + stage.get("metrics", [])}
    known = {value.as_posix() for value in vars(paths).values() if isinstance(value, Path)}
    assert known, "no path to test with"
    assert known <= outs


@pytest.mark.parametrize("library", sorted(ROOMS))
def test_third_parties_stay_in_their_rooms(library):
    users = {module for module in MODULES if any(n.split(".")[0] == library for n in imported_names(module))}
    assert users, f"nothing imports {library}: take it out of the dependencies"
    if ROOMS[library] is not None:
        assert users <= ROOMS[library]


@pytest.mark.parametrize("module", sorted(set(MODULES) - {"cifar10.engine.reproducibility"}))
def test_global_random_state_is_touched_in_one_place(module):
    """Elsewhere randomness is a generator or the drawn values; initialisers draw from what was seeded there."""
    banned = {"manual_seed", "seed", "set_rng_state", "default_rng"}
    for node in ast.walk(ast.parse(MODULES[module].read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in banned:
            owner = ast.unparse(node.func.value)
            assert owner not in ("torch", "random", "np.random", "numpy.random", "torch.cuda", "torch.random"), (
                node.lineno
            )
    assert "random" not in {name.split(".")[0] for name in imported_names(module)}
