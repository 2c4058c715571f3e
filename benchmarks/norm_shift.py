"""What dropout in front of a batch norm costs: `python benchmarks/norm_shift.py MODEL --prepared DIR`.

Dropout scales up what it keeps, so the norms behind it learn a variance that evaluation, without dropout, never sees
(Li et al. 2018, https://arxiv.org/abs/1801.05134). Prints the accuracy of a trained model on the validation images, one
view: as it is, as if it were still training, and with the norms estimated again on the training images without dropout.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.optim.swa_utils import update_bn

from cifar10.core.config import USER_ERRORS, format_error, load_config
from cifar10.data.batches import normalize
from cifar10.data.dataset import ImageSet, load_prepared
from cifar10.engine.reproducibility import seed_globals
from cifar10.engine.runtime import Runtime, RuntimeConfig
from cifar10.models.checkpoint import TrainedModel, load_model

BATCH_SIZE = 500


def main(arguments: list[str] | None = None) -> None:
    """Parse, measure, print, and end with one line and exit code 1 where something cannot be done."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, metavar="MODEL", help="a model file")
    parser.add_argument("--prepared", type=Path, default=Path("data/prepared"), help="what `dvc repro prepare` writes")
    options = parser.parse_args(arguments)
    try:
        data, trained = load_prepared(options.prepared), load_model(options.model)
        runtime = Runtime(load_config(RuntimeConfig, section="runtime"))
        for name, accuracy in measure(trained, data.train, data.val, runtime).items():
            print(f"{name:<34}{accuracy:.4f}")
    except USER_ERRORS as error:
        sys.exit(format_error(error))


def measure(trained: TrainedModel, train: ImageSet, val: ImageSet, runtime: Runtime) -> dict[str, float]:
    """Name of a way to evaluate -> accuracy on `val`; `trained` then has other norms and no dropout."""
    model = runtime.to_device(trained.model)

    def batches(images: ImageSet) -> Iterator[Float[Tensor, "batch 3 32 32"]]:
        for some in torch.from_numpy(images.images).split(BATCH_SIZE):
            pixels = normalize(some.to(runtime.device), trained.mean, trained.std)
            yield pixels.contiguous(memory_format=runtime.memory_format)

    @torch.no_grad()
    def accuracy() -> float:
        answers = torch.cat([model(pixels).argmax(1).cpu() for pixels in batches(val)])
        return (answers == torch.from_numpy(val.labels)).double().mean().item()

    with runtime.autocast():
        rows = {"as it is": accuracy()}

        # --- as if it were still training ---
        seed_globals(0)  # for dropout
        kept = {key: value.clone() for key, value in model.state_dict().items()}
        model.train()
        rows["dropout and norms as in training"] = accuracy()
        model.load_state_dict(kept)

        # --- the norms estimated again, without dropout ---
        for layer in model.modules():
            if isinstance(layer, nn.Dropout):
                layer.p = 0.0  # `update_bn` runs the model as in training
        update_bn(batches(train), model)
        model.eval()
        return {**rows, "norms estimated without dropout": accuracy()}


if __name__ == "__main__":
    main()
