import pytest
import torch
from pydantic import ValidationError
from torch.optim import lr_scheduler

from cifar10.training.optim import (
    OPTIMIZERS,
    SCHEDULES,
    OptimizerConfig,
    Progress,
    ScheduleConfig,
    build_optimizer,
    learning_rate,
    set_learning_rate,
)

EPOCHS, STEPS = 20, 7
TOTAL = EPOCHS * STEPS
# Falls, stalls, falls, stalls for good: a plateau schedule with patience 2 cuts the rate at epochs 6, 14 and 17.
LOSSES = [2.0, 1.5, 1.5, 1.4999, 1.6, 1.5, 1.2, 1.1, 1.0, 0.9, 0.8, 0.9, 0.8, 0.8, 0.9, 0.8, 0.8, 0.8, 0.85, 0.8]


def schedule(name: str, **changes) -> ScheduleConfig:
    values = {
        "name": name,
        "warmup_epochs": 0,
        "milestones_epochs": [3, 6, 9],
        "gamma": 0.1,
        "factors": [0.5, 0.3, 0.1],
        "monitor": "val_loss",
        "patience_epochs": 2,
        "min_factor": 0.002,
        "warmup_fraction": 0.3,
    }
    return ScheduleConfig.model_validate({**values, **changes})


def at(step: int, total: int = TOTAL, steps: int = STEPS) -> Progress:
    return Progress(step, total, steps, LOSSES[: step // steps])


def torch_rates(make, every_steps: int = 1, losses: bool = False) -> list[float]:
    """The rates that one of torch's schedulers gives at each step, from a peak of 0.4."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.4)
    scheduler = make(optimizer)
    rates = []
    for step in range(1, TOTAL + 1):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if step % every_steps == 0 and step < TOTAL:
            scheduler.step(*([LOSSES[step // STEPS - 1]] if losses else []))
    return rates


def onecycle(optimizer):
    return lr_scheduler.OneCycleLR(optimizer, max_lr=0.4, total_steps=TOTAL, pct_start=0.3, cycle_momentum=False)


def piecewise(optimizer):
    values = [1.0, 0.5, 0.3, 0.1]
    return lr_scheduler.LambdaLR(optimizer, lambda epoch: values[(epoch >= 3) + (epoch >= 6) + (epoch >= 9)])


def plateau(optimizer):
    return lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.1, patience=2, min_lr=0.4 * 0.002)


REFERENCES = {
    "constant": lambda: torch_rates(lambda o: lr_scheduler.ConstantLR(o, factor=1)),
    "multistep": lambda: torch_rates(lambda o: lr_scheduler.MultiStepLR(o, [3, 6, 9], 0.1), every_steps=STEPS),
    "piecewise": lambda: torch_rates(piecewise, every_steps=STEPS),
    "cosine": lambda: torch_rates(lambda o: lr_scheduler.CosineAnnealingLR(o, TOTAL)),
    "linear": lambda: torch_rates(lambda o: lr_scheduler.LinearLR(o, 1.0, 0.002, TOTAL)),
    "onecycle": lambda: torch_rates(onecycle),
    "plateau": lambda: torch_rates(plateau, every_steps=STEPS, losses=True),
}


@pytest.mark.parametrize("name", SCHEDULES)
def test_every_schedule_equals_torchs(name):
    rates = [learning_rate(0.4, at(step), schedule(name)) for step in range(TOTAL)]
    assert rates == pytest.approx(REFERENCES[name](), rel=1e-9, abs=1e-12)
    if name == "plateau":
        assert len(set(rates)) == 4  # the example does cut three times, the last time down to the limit


@pytest.mark.parametrize("name", SCHEDULES)
def test_warmup_rises_in_a_straight_line_to_every_schedule(name):
    plain, warm = schedule(name), schedule(name, warmup_epochs=2)
    for step in range(TOTAL):
        factor = min(1.0, (step + 1) / (2 * STEPS))
        expected = factor * learning_rate(0.4, at(step), plain)
        assert learning_rate(0.4, at(step), warm) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("total", [1, 2, 3])
def test_every_schedule_survives_the_shortest_runs(name, total):
    for fraction in (0.01, 0.5, 0.99):
        for step in range(total):
            rate = learning_rate(0.4, at(step, total, 1), schedule(name, warmup_fraction=fraction))
            assert 0 <= rate <= 0.4


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"milestones_epochs": [6, 3]}, "milestones_epochs must ascend"),
        ({"milestones_epochs": [3, 3]}, "milestones_epochs must ascend"),
        ({"factors": [0.5]}, "piecewise needs as many factors as milestones_epochs"),
    ],
)
def test_milestones_that_cannot_be_are_refused(changes, expected):
    with pytest.raises(ValidationError, match=expected):
        schedule("piecewise", **changes)


def optimizer_config(**changes) -> OptimizerConfig:
    values = {"name": "sgd", "momentum": 0.9, "nesterov": True, "betas": [0.9, 0.99], "norm_bias_lr_factor": 1.0}
    return OptimizerConfig.model_validate({**values, "weight_decay": 0.0, "norm_bias_weight_decay": 0.0, **changes})


TORCHS = {  # muon: what is no kernel
    "adam": lambda p: torch.optim.Adam([p], lr=0.05, betas=(0.9, 0.99), weight_decay=0.1),
    "adamw": lambda p: torch.optim.AdamW([p], lr=0.05, betas=(0.9, 0.99), weight_decay=0.1),
    "rmsprop": lambda p: torch.optim.RMSprop([p], lr=0.05, alpha=0.99, momentum=0.9, weight_decay=0.1),
    "sgd": lambda p: torch.optim.SGD([p], lr=0.05, momentum=0.9, nesterov=True, weight_decay=0.1),
    "muon": lambda p: torch.optim.SGD([p], lr=0.05, momentum=0.9, nesterov=True, weight_decay=0.1),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_is_torchs_with_our_numbers(name):
    results = []
    for ours in (True, False):
        holder = torch.nn.Module()
        holder.weight = torch.nn.Parameter(torch.tensor([[1.0, -2.0]]))
        config = optimizer_config(name=name, weight_decay=0.1)
        optimizer = build_optimizer(holder, 0.05, config) if ours else TORCHS[name](holder.weight)
        for _ in range(5):
            optimizer.zero_grad()
            (holder.weight**4).sum().backward()
            optimizer.step()
        results.append(holder.weight.detach())
    assert torch.allclose(*results, rtol=1e-6, atol=0)


def model() -> torch.nn.Module:
    return torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.Flatten())


def test_weight_decay_has_two_groups():
    config = optimizer_config(weight_decay=5e-4, norm_bias_weight_decay=1e-5)
    weights, vectors = build_optimizer(model(), 0.1, config).param_groups
    assert [tuple(p.shape) for p in weights["params"]] == [(4, 3, 3, 3)]
    assert [tuple(p.shape) for p in vectors["params"]] == [(4,), (4,), (4,)]  # convolution bias, norm scale, norm bias
    assert (weights["weight_decay"], vectors["weight_decay"]) == (5e-4, 1e-5)


def test_norms_and_biases_may_learn_at_a_rate_of_their_own():
    optimizer = build_optimizer(model(), 0.1, optimizer_config(norm_bias_lr_factor=64.0))
    set_learning_rate(optimizer, 0.5)
    assert [group["lr"] for group in optimizer.param_groups] == [0.5, 32.0]


@pytest.mark.parametrize(("momentum", "nesterov"), [(0.9, True), (0.9, False), (0.0, True), (0.0, False)])
def test_sgd_takes_the_steps_of_the_textbook(momentum, nesterov):
    """v = m v + g + wd w; w -= lr (g + wd w + m v) with Nesterov, else lr v."""
    parameter = torch.nn.Parameter(torch.tensor([[1.0, -2.0]], dtype=torch.float64))
    holder = torch.nn.Module()
    holder.weight = parameter
    config = optimizer_config(momentum=momentum, nesterov=nesterov, weight_decay=0.1)
    optimizer = build_optimizer(holder, 0.05, config)
    w, v = [1.0, -2.0], [0.0, 0.0]
    for _ in range(4):
        optimizer.zero_grad()
        (parameter**2).sum().backward()
        optimizer.step()
        g = [2 * x + 0.1 * x for x in w]
        v = [momentum * a + b for a, b in zip(v, g, strict=True)]
        move = [b + momentum * a for a, b in zip(v, g, strict=True)] if nesterov else v
        w = [x - 0.05 * m for x, m in zip(w, move, strict=True)]
    assert parameter.detach().flatten().tolist() == pytest.approx(w, rel=1e-12)
