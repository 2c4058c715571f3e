import pytest
import torch
from conftest import train_config
from torch.optim import lr_scheduler

from cifar10.training.optim import (
    OPTIMIZERS,
    SCHEDULES,
    OptimizerConfig,
    ScheduleConfig,
    build_optimizer,
    learning_rate,
)

EPOCHS, STEPS = 10, 7
TOTAL = EPOCHS * STEPS


def schedule(name: str, **changes) -> ScheduleConfig:
    values = {"name": name, "milestones_epochs": [3, 6, 9], "gamma": 0.1, "warmup_fraction": 0.3}
    return ScheduleConfig.model_validate({**values, **changes})


def torch_rates(make, every_steps: int = 1) -> list[float]:
    """The rates that one of torch's schedulers gives at each step, from a peak of 0.4."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.4)
    scheduler = make(optimizer)
    rates = []
    for step in range(1, TOTAL + 1):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if step % every_steps == 0 and step < TOTAL:
            scheduler.step()
    return rates


def onecycle(optimizer):
    return lr_scheduler.OneCycleLR(optimizer, max_lr=0.4, total_steps=TOTAL, pct_start=0.3, cycle_momentum=False)


REFERENCES = {
    "constant": lambda: torch_rates(lambda o: lr_scheduler.ConstantLR(o, factor=1)),
    "multistep": lambda: torch_rates(lambda o: lr_scheduler.MultiStepLR(o, [3, 6, 9], 0.1), every_steps=STEPS),
    "cosine": lambda: torch_rates(lambda o: lr_scheduler.CosineAnnealingLR(o, TOTAL)),
    "onecycle": lambda: torch_rates(onecycle),
}


@pytest.mark.parametrize("name", SCHEDULES)
def test_every_schedule_equals_torchs(name):
    rates = [learning_rate(0.4, step, TOTAL, STEPS, schedule(name)) for step in range(TOTAL)]
    assert rates == pytest.approx(REFERENCES[name](), rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("total", [1, 2, 3])
def test_every_schedule_survives_the_shortest_runs(name, total):
    for fraction in (0.01, 0.5, 0.99):
        for step in range(total):
            rate = learning_rate(0.4, step, total, 1, schedule(name, warmup_fraction=fraction))
            assert 0 <= rate <= 0.4


def model() -> torch.nn.Module:
    return torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.Flatten())


def test_weight_decay_has_two_groups():
    config = OptimizerConfig(name="sgd", momentum=0.9, nesterov=True, weight_decay=5e-4, norm_bias_weight_decay=1e-5)
    weights, vectors = build_optimizer(model(), 0.1, config).param_groups
    assert [tuple(p.shape) for p in weights["params"]] == [(4, 3, 3, 3)]
    assert [tuple(p.shape) for p in vectors["params"]] == [(4,), (4,), (4,)]  # convolution bias, norm scale, norm bias
    assert (weights["weight_decay"], vectors["weight_decay"]) == (5e-4, 1e-5)


@pytest.mark.parametrize(("momentum", "nesterov"), [(0.9, True), (0.9, False), (0.0, True), (0.0, False)])
def test_sgd_takes_the_steps_of_the_textbook(momentum, nesterov):
    """v = m v + g + wd w; w -= lr (g + wd w + m v) with Nesterov, else lr v."""
    parameter = torch.nn.Parameter(torch.tensor([[1.0, -2.0]], dtype=torch.float64))
    holder = torch.nn.Module()
    holder.weight = parameter
    config = OptimizerConfig(
        name="sgd", momentum=momentum, nesterov=nesterov, weight_decay=0.1, norm_bias_weight_decay=0.0
    )
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


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_lowers_a_loss(name):
    net = torch.nn.Linear(4, 1)
    config = train_config(optimizer__name=name).optimizer
    optimizer = build_optimizer(net, 0.01, config)
    x = torch.randn(32, 4, generator=torch.Generator().manual_seed(0))
    losses = []
    for _ in range(30):
        loss = ((net(x) - x.sum(1, keepdim=True)) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] / 2
