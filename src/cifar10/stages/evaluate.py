"""evaluate: what the model gets right, on the validation part and on test images whose labels are known."""

from functools import partial
from pathlib import Path

from torch import Tensor, nn

from cifar10.core.config import load_config
from cifar10.core.stage import run_stage
from cifar10.data.dataset import ImageSet, load_prepared
from cifar10.engine.inference import PredictConfig, predict_logits
from cifar10.engine.processes import in_processes
from cifar10.engine.runtime import Runtime, RuntimeConfig, num_processes
from cifar10.evaluation import inputs, metrics, out_of_fold, results
from cifar10.evaluation.origin import find_origin
from cifar10.evaluation.report.page import write_report
from cifar10.models.checkpoint import check_classes, load_model


def main(prepared: Path, model_file: Path, history: Path, card: Path, reports: Path, report: Path) -> None:
    """Write figures, predictions and a table by class for both parts into `reports`, and the page `report`.

    A part without known labels has tables without rows and no entry in `metrics.json`. Predicts exactly as the stage
    `predict` does, test-time augmentation included: the figures are the submission's.
    """
    config = load_config(PredictConfig, section="predict")
    options = load_config(results.EvaluateConfig, section="evaluate")
    runtime = Runtime(load_config(RuntimeConfig, section="runtime"))
    data, trained = load_prepared(prepared), load_model(model_file)
    data_card, epochs = inputs.read_card(card), inputs.read_history(history)
    check_classes(trained, data.classes, model_file)
    model = runtime.to_device(trained.model)

    # --- predict ---
    def predict(name: str, network: nn.Module, images: ImageSet, config: PredictConfig = config) -> Tensor:
        compiled = runtime.compiled(network)
        return predict_logits(compiled, images.images, trained.mean, trained.std, config, runtime, f"evaluate: {name}")

    training = None
    with runtime.explain_failures("predict.batch_size", config.images_per_pass(runtime), smallest=1):
        validation = out_of_fold.predict_validation(model, data, partial(predict, "validation"))
        test = out_of_fold.predict_test(model, data, partial(predict, "test"))
        if options.training_accuracy:
            plain = config.model_copy(update={"tta": "none"})
            training = out_of_fold.predict_training(model, data, partial(predict, "training", config=plain))
    if not runtime.world.is_first:
        return

    # --- measure and write ---
    parts = {"validation": validation, "test": test}
    measured = {name: results.measure(part, trained.classes) for name, part in parts.items() if len(part.images)}
    scores = {name: part.score for name, part in measured.items()}
    if training:
        scores["training"] = metrics.score(*training, trained.classes)
    for name, score in scores.items():
        print(f"evaluate: {name}: {results.format_score(score)}")
    if not measured:
        print("evaluate: no labelled image was held back, so there is nothing to measure on")
    for part, prefix in (("validation", ""), ("test", "test_")):
        results.write_predictions(reports / f"{prefix}predictions.csv", parts[part], trained.classes)
        results.write_per_class(reports / f"{prefix}per_class.csv", measured.get(part))
    origin = find_origin(model_file, trained.provenance.get("code"), reports / "metrics.json")
    results.write_metrics(reports / "metrics.json", scores)
    write_report(report, trained, data, data_card, epochs, measured, origin, scores.get("training"))


if __name__ == "__main__":
    run_stage(in_processes(main, num_processes))
