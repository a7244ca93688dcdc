import pytest
import torch
from brain_bundles.handlers import ModelSaver
from ignite.engine import Engine, Events
from ignite.metrics import Average
from monai.engines import Workflow
from torch import nn


def engine_with(saver: ModelSaver, network: nn.Module, epochs: int = 4) -> Engine:
    """Adds 1 to the network's bias in each epoch."""
    engine = Engine(lambda engine, batch: network.bias.data.add_(1.0))
    nn.init.zeros_(network.bias)
    saver.attach(engine)
    engine.run([0], max_epochs=epochs)
    return engine


def saved_bias(path) -> float:
    return float(torch.load(path, weights_only=True)["bias"])


def test_end_writes_the_final_state_once(tmp_path):
    network = nn.Linear(1, 1)
    engine_with(ModelSaver(network, tmp_path / "models" / "m.pt"), network)
    assert saved_bias(tmp_path / "models" / "m.pt") == 4.0


def test_end_writes_nothing_after_an_interruption(tmp_path):
    network = nn.Linear(1, 1)
    engine = Engine(lambda engine, batch: engine.terminate(skip_completed=True))
    ModelSaver(network, tmp_path / "m.pt").attach(engine)
    engine.run([0], max_epochs=2)
    assert not (tmp_path / "m.pt").exists()


def test_epoch_interval_and_the_last_epoch(tmp_path):
    network = nn.Linear(1, 1)
    saver = ModelSaver(network, tmp_path / "m.pt", when="epoch", interval=2)
    written = []
    engine = Engine(lambda engine, batch: network.bias.data.add_(1.0))
    nn.init.zeros_(network.bias)
    saver.attach(engine)
    engine.add_event_handler(
        Events.EPOCH_COMPLETED,
        lambda: written.append(saved_bias(tmp_path / "m.pt") if (tmp_path / "m.pt").exists() else 0),
    )
    engine.run([0], max_epochs=5)
    assert written == [0, 2, 2, 4, 5]


def test_best_follows_the_key_metric(tmp_path):
    network = nn.Linear(1, 1)
    nn.init.zeros_(network.bias)
    scores = iter([1.0, 5.0, 2.0])

    def step(engine, batch):
        network.bias.data.add_(1.0)
        return next(scores)

    workflow = Workflow(
        "cpu",
        3,
        [0],
        iteration_update=step,
        key_metric={"score": Average()},
        decollate=False,
        handlers=[ModelSaver(network, tmp_path / "m.pt", when="best")],
    )
    workflow.run()
    assert saved_bias(tmp_path / "m.pt") == 2.0


def test_bad_arguments_are_named(tmp_path):
    with pytest.raises(ValueError, match="when is 'always'; allowed: epoch, best, end"):
        ModelSaver(nn.Linear(1, 1), "m.pt", when="always")
    with pytest.raises(ValueError, match="interval must be at least 1 epoch, got 0"):
        ModelSaver(nn.Linear(1, 1), "m.pt", interval=0)
    workflow = Workflow("cpu", 1, [0], iteration_update=lambda engine, batch: 0)
    with pytest.raises(ValueError, match="needs an engine with a key metric"):
        ModelSaver(nn.Linear(1, 1), "m.pt", when="best").attach(workflow)
