"""predict: a label for every test image, as the file that Kaggle takes."""

from pathlib import Path

from cifar10.core.config import load_config
from cifar10.core.stage import run_stage
from cifar10.data.dataset import load_prepared
from cifar10.engine.inference import PredictConfig, predict_logits
from cifar10.engine.processes import in_processes
from cifar10.engine.runtime import Runtime, RuntimeConfig, num_processes
from cifar10.models.checkpoint import check_classes, load_model
from cifar10.submission import write_submission


def main(prepared: Path, sample: Path, model_file: Path, submission: Path) -> None:
    """Label the test images of `prepared` with `model_file`; write `submission`, checked against `sample`."""
    config = load_config(PredictConfig, section="predict")
    runtime = Runtime(load_config(RuntimeConfig, section="runtime"))
    data, trained = load_prepared(prepared), load_model(model_file)
    check_classes(trained, data.classes, model_file)
    test = data.test
    model = runtime.compiled(runtime.to_device(trained.model))
    with runtime.explain_failures("predict.batch_size", config.images_per_pass(runtime), smallest=1):
        logits = predict_logits(model, test.images, trained.mean, trained.std, config, runtime, "predict")
    if not runtime.world.is_first:
        return
    labels = (trained.classes[k] for k in logits.argmax(1).tolist()) if len(test) else ()
    write_submission(submission, dict(zip(test.ids.tolist(), labels, strict=True)), sample, trained.classes)
    print(f"predict: {len(test):,} labels in {submission}")


if __name__ == "__main__":
    run_stage(in_processes(main, num_processes))
