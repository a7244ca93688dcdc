import pytest
import torch
from brain_bundles.handlers import EMAHandler, ResumableCheckpoint
from ignite.engine import Engine, Events
from torch import nn


def stepping(network: nn.Module) -> Engine:
    """Adds 1 to the bias in each iteration."""
    return Engine(lambda engine, batch: network.bias.data.add_(1.0))


def run(ema: EMAHandler, network: nn.Module, iterations: int) -> EMAHandler:
    engine = stepping(network)
    ema.attach(engine)
    engine.run([0] * iterations)
    return ema


def line() -> nn.Linear:
    network = nn.Linear(1, 1)
    nn.init.zeros_(network.bias)
    return network


def test_average_of_a_ramp_has_a_closed_form():
    """x_n = n from x_0 = 0: ema_n = n - d (1 - d^n) / (1 - d)."""
    ema = run(EMAHandler(net := line(), decay=0.9, warm_up=False), net, 20)
    expected = 20 - 0.9 * (1 - 0.9**20) / 0.1
    assert float(ema.ema_network.bias) == pytest.approx(expected, rel=1e-5)
    assert torch.equal(ema.ema_network.weight, net.weight)


def test_warm_up_follows_its_formula():
    ema = EMAHandler(line(), decay=0.5)
    decays = []
    for _ in range(12):
        decays.append(ema.current_decay)
        ema(Engine(lambda engine, batch: None))
    assert decays[:8] == pytest.approx([(1 + n) / (10 + n) for n in range(8)])
    assert decays[8:] == [0.5] * 4


def test_buffers_are_copied_and_the_average_is_frozen():
    network = nn.BatchNorm1d(2)
    ema = EMAHandler(network, decay=0.9)
    engine = Engine(lambda engine, batch: network(torch.randn(4, 2)))
    ema.attach(engine)
    engine.run([0] * 3)
    assert torch.equal(ema.ema_network.running_mean, network.running_mean)
    assert ema.ema_network.num_batches_tracked == 3
    assert not ema.ema_network.training
    assert not any(parameter.requires_grad for parameter in ema.ema_network.parameters())
    assert network.training


def test_a_given_network_starts_from_the_trained_one():
    network, average = line(), nn.Linear(1, 1)
    EMAHandler(network, average).attach(stepping(network))
    assert torch.equal(average.weight, network.weight)


def test_weights_that_were_loaded_meanwhile_are_the_start():
    ema = EMAHandler(network := line(), decay=0.5, warm_up=False)
    engine = stepping(network)
    ema.attach(engine)
    network.load_state_dict({"weight": torch.full((1, 1), 3.0), "bias": torch.full((1,), 7.0)})
    engine.run([0])
    assert torch.equal(ema.ema_network.weight, network.weight)
    assert float(ema.ema_network.bias) == 7.5
    engine.run([0], max_epochs=2)  # a second start leaves the average alone
    assert float(ema.ema_network.bias) == 8.25


def test_resumed_average_goes_on(tmp_path):
    def training(epochs: int, resume: bool) -> EMAHandler:
        torch.manual_seed(0)
        network = line()
        ema = EMAHandler(network, decay=0.8)
        engine = stepping(network)
        ema.attach(engine)
        ResumableCheckpoint({"network": network, "ema": ema}, tmp_path / f"{resume}.pt", resume=True).attach(engine)
        engine.run([0] * 4, max_epochs=epochs)
        return ema

    expected = training(4, resume=False)
    training(2, resume=True)
    resumed = training(4, resume=True)
    assert resumed.num_updates == expected.num_updates == 16
    assert torch.equal(resumed.ema_network.bias, expected.ema_network.bias)


def test_bad_arguments_are_named():
    with pytest.raises(ValueError, match=r"decay must be in \[0, 1\), got 1.0"):
        EMAHandler(line(), decay=1.0)
    with pytest.raises(ValueError, match="must have the structure of network"):
        EMAHandler(line(), nn.Linear(2, 1))


def test_average_is_ready_when_the_epoch_is_validated():
    network = line()
    ema = EMAHandler(network, decay=0.0, warm_up=False)
    engine = stepping(network)
    seen = []
    engine.add_event_handler(Events.EPOCH_COMPLETED, lambda: seen.append(float(ema.ema_network.bias)))
    ema.attach(engine)
    engine.run([0] * 3, max_epochs=2)
    assert seen == [3.0, 6.0]
