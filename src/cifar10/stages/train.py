"""train: prepared data + a recipe -> a model file, its history and its metrics."""

import json
import math
from pathlib import Path

from cifar10.core.config import PARAMS, EnsembleConfig, load_config, read_params
from cifar10.core.files import atomic_write
from cifar10.core.stage import run_stage
from cifar10.core.tables import write_csv
from cifar10.data.dataset import load_prepared
from cifar10.engine.processes import current_world, in_processes
from cifar10.engine.provenance import code_digest, machine, write_log
from cifar10.engine.runtime import Runtime, num_processes
from cifar10.models import count_parameters
from cifar10.models.checkpoint import TrainedModel, save_model
from cifar10.models.ensemble import join
from cifar10.training.ensemble import mean_history, plan_members
from cifar10.training.fit import fit
from cifar10.training.history import CLOCK, summarize, to_table
from cifar10.training.resume import resume_store
from cifar10.training.trainer import TrainConfig, advice
from cifar10.training.utilization import describe_utilization

TIMING_LOG = Path("logs/train_timing.csv")


def main(prepared: Path, model_file: Path, reports: Path) -> None:
    """Train on the folder `prepared`; write `model_file`, and `history.csv` and `metrics.json` into `reports`.

    Several networks are trained one after another and saved as one; the history is their mean.
    """
    # --- read ---
    config, data = load_config(TrainConfig), load_prepared(prepared)
    members = plan_members(data, config, load_config(EnsembleConfig, section="ensemble").seeds)
    runtime = Runtime(config.runtime)
    provenance = {"code": code_digest("train"), "runtime": str(runtime), **machine()}

    if (line := advice(config, read_params(PARAMS)["data"]["source"])) and runtime.world.is_first:
        print(f"train: {line}", flush=True)

    # --- train ---
    stores = [resume_store(member.config, member.data, str(runtime)) for member in members]
    fitted = [fit(each.data, each.config, store, each.name) for each, store in zip(members, stores, strict=True)]
    if not current_world().is_first:
        return
    model, history = join([network for network, _ in fitted]), mean_history([history for _, history in fitted])
    seconds = math.fsum(result.seconds for result in history)

    # --- write: the clock goes to logs, for it differs from run to run ---
    write_csv(TIMING_LOG, to_table(history)[["epoch", *CLOCK]])
    write_csv(reports / "history.csv", to_table(history).drop(columns=list(CLOCK)))
    metrics = {"parameters": count_parameters(model), **summarize(history)}
    atomic_write(reports / "metrics.json", json.dumps(metrics, indent=2) + "\n")
    save_model(model_file, TrainedModel(model, config.model, data.classes, data.mean, data.std, provenance))
    write_log(model_file, {"seconds": round(seconds, 1), "runtime": str(runtime), **machine()})
    networks = f"{len(members)} networks, " if len(members) > 1 else ""
    print(f"train: {networks}{len(history)} epochs in {seconds:.1f} s (validation apart), {model_file}")
    for store in stores:
        store.clear()
    full_size = [row.images_per_second for row in history[config.early_epochs :]]
    print(f"train: {describe_utilization(fitted[0][0], full_size, runtime)}")


if __name__ == "__main__":
    run_stage(in_processes(main, num_processes))
