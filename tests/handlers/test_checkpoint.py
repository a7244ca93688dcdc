import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from brain_bundles.data import EpochSampler, SeededDataset
from brain_bundles.engines import AutoencoderTrainer
from brain_bundles.handlers import ResumableCheckpoint
from ignite.engine import Engine, Events
from monai.data import DataLoader
from monai.handlers import LrScheduleHandler
from monai.transforms import RandGaussianNoised
from torch import nn

EPOCHS = 4


class Tiny(nn.Module):
    """Reconstruction with dropout, so that the global random state matters."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv3d(1, 1, 3, padding=1)

    def forward(self, x):
        mean = self.conv(x)
        return nn.functional.dropout(mean, 0.3), mean, torch.ones_like(mean)


def training(
    path: Path,
    *,
    resume: bool = False,
    epochs: int = EPOCHS,
    sampler: bool = True,
    extra=None,
    num_workers: int = 0,
    **kwargs,
):
    """A trainer of 3 iterations per epoch that uses every kind of randomness, its network and losses."""
    torch.manual_seed(0)
    np.random.seed(0)  # noqa: NPY002  # the global state is what is tested
    random.seed(0)
    generator = torch.Generator().manual_seed(1)
    data = [{"image": torch.rand(1, 4, 4, 4, generator=generator)} for _ in range(6)]
    dataset = SeededDataset(data, RandGaussianNoised("image", prob=0.5), seed=2)
    order = {"sampler": EpochSampler(dataset, seed=2)} if sampler else {"shuffle": True}
    loader = DataLoader(dataset, batch_size=2, num_workers=num_workers, persistent_workers=num_workers > 0, **order)
    network = Tiny()
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-2)
    schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.9)
    objects = {"network": network, "optimizer": optimizer, "schedule": schedule}
    checkpoint = ResumableCheckpoint(objects, path, resume=resume, **kwargs)
    # First in the list on purpose: it must still act after the schedule.
    handlers = [checkpoint, LrScheduleHandler(schedule), *(extra or [])]
    trainer = AutoencoderTrainer(
        "cpu", epochs, loader, network, optimizer, kl_weight=1e-3, train_handlers=handlers, decollate=False
    )
    losses: list[float] = []

    @trainer.on(Events.ITERATION_COMPLETED)
    def record(engine: Engine) -> None:
        losses.append(float(engine.state.output["loss"]) + random.random() + np.random.rand())  # noqa: NPY002

    return trainer, network, losses


class At:
    """Call ``action`` once, when ``event`` of iteration ``iteration`` happens."""

    def __init__(self, iteration: int, action, event: Events = Events.ITERATION_STARTED) -> None:
        self.iteration, self.action, self.event = iteration, action, event

    def attach(self, engine: Engine) -> None:
        engine.add_event_handler(self.event, self)

    def __call__(self, engine: Engine) -> None:
        if engine.state.iteration == self.iteration:
            self.action()


def uninterrupted(path: Path, **kwargs):
    trainer, network, losses = training(path, **kwargs)
    trainer.run()
    return network.state_dict(), losses


def assert_equal_states(ours, expected) -> None:
    for name, value in expected.items():
        torch.testing.assert_close(ours[name], value, rtol=0, atol=0)


@pytest.mark.parametrize(("sampler", "num_workers"), [(True, 0), (True, 1), (False, 0)])
def test_resume_at_an_epoch_end_is_bit_for_bit_the_uninterrupted_run(tmp_path, sampler, num_workers):
    expected, losses = uninterrupted(tmp_path / "a.pt", sampler=sampler, num_workers=num_workers)
    trainer, _, first = training(tmp_path / "b.pt", sampler=sampler, num_workers=num_workers, epochs=2)
    trainer.run()
    trainer, network, second = training(tmp_path / "b.pt", sampler=sampler, num_workers=num_workers, resume=True)
    random.seed(99)
    torch.manual_seed(99)
    trainer.run()
    assert first + second == losses
    assert trainer.state.iteration == 3 * EPOCHS
    assert_equal_states(network.state_dict(), expected)


@pytest.mark.parametrize("iteration", [5, 6, 7])  # within an epoch, its last iteration, the first of the next
@pytest.mark.parametrize("num_workers", [0, 1])
def test_sigterm_saves_after_the_iteration_and_resume_goes_on_there(tmp_path, iteration, num_workers):
    expected, losses = uninterrupted(tmp_path / "a.pt", num_workers=num_workers)
    before = signal.getsignal(signal.SIGTERM)
    stop = At(iteration, lambda: os.kill(os.getpid(), signal.SIGTERM))
    trainer, _, first = training(tmp_path / "b.pt", extra=[stop], num_workers=num_workers)
    with pytest.raises(SystemExit) as exit_info:
        trainer.run()
    assert exit_info.value.code == 128 + signal.SIGTERM
    assert signal.getsignal(signal.SIGTERM) == before
    assert len(first) == iteration
    trainer, network, second = training(tmp_path / "b.pt", resume=True, num_workers=num_workers)
    trainer.run()
    assert first + second == losses
    assert_equal_states(network.state_dict(), expected)


def test_sigterm_without_epoch_sampler_repeats_the_epoch(tmp_path):
    expected, losses = uninterrupted(tmp_path / "a.pt", sampler=False)
    stop = At(5, lambda: os.kill(os.getpid(), signal.SIGTERM))
    trainer, _, first = training(tmp_path / "b.pt", extra=[stop], sampler=False)
    with pytest.raises(SystemExit):
        trainer.run()
    trainer, network, second = training(tmp_path / "b.pt", resume=True, sampler=False)
    trainer.run()
    assert first[:3] + second == losses
    assert_equal_states(network.state_dict(), expected)


def test_another_listener_of_the_signal_is_asked_after_saving(tmp_path):
    heard = []
    previous = signal.signal(signal.SIGUSR1, lambda number, frame: heard.append(number))
    try:
        stop = At(2, lambda: os.kill(os.getpid(), signal.SIGUSR1))
        trainer, _, _ = training(tmp_path / "c.pt", extra=[stop], signals=["SIGUSR1"])
        with pytest.raises(SystemExit):
            trainer.run()
    finally:
        signal.signal(signal.SIGUSR1, previous)
    assert heard == [signal.SIGUSR1]
    assert (tmp_path / "c.pt").exists()


CHILD = """
import sys, time
sys.path.insert(0, {folder!r})
import importlib.util
spec = importlib.util.spec_from_file_location("helpers", {file!r})
helpers = importlib.util.module_from_spec(spec); spec.loader.exec_module(helpers)
from pathlib import Path
from ignite.engine import Events
trainer, network, losses = helpers.training(Path(sys.argv[1]), interval=1)
@trainer.on(Events.ITERATION_STARTED)
def wait(engine):
    if engine.state.iteration == 8:
        Path(sys.argv[1] + ".ready").touch()
        time.sleep(60 if sys.argv[2] == "KILL" else 1)
trainer.run()
"""


@pytest.mark.parametrize("name", [pytest.param("KILL", marks=pytest.mark.long), "TERM"])
def test_a_killed_process_and_its_successor_equal_the_uninterrupted_run(tmp_path, name):
    expected, _ = uninterrupted(tmp_path / "a.pt")
    path = tmp_path / "b.pt"
    script = tmp_path / "child.py"
    script.write_text(CHILD.format(folder=str(tmp_path), file=__file__))
    process = subprocess.Popen([sys.executable, script, path, name], stderr=subprocess.PIPE, text=True)
    ready = Path(f"{path}.ready")
    deadline = time.monotonic() + 120
    while not ready.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(getattr(signal, f"SIG{name}"))
    _, errors = process.communicate(timeout=120)
    assert ready.exists(), errors
    assert process.returncode == (-signal.SIGKILL if name == "KILL" else 128 + signal.SIGTERM), errors
    assert torch.load(path, weights_only=True)["training"]["iteration"] == (6 if name == "KILL" else 8)
    trainer, network, _ = training(path, resume=True, interval=1)
    trainer.run()
    assert_equal_states(network.state_dict(), expected)
    assert sorted(item.name for item in tmp_path.iterdir() if item.suffix == ".tmp") == []


def test_interval_writes_every_second_epoch_and_the_last(tmp_path):
    path = tmp_path / "c.pt"
    seen: list[int] = []

    class Look:
        def attach(self, engine: Engine) -> None:
            engine.add_event_handler(Events.EPOCH_STARTED, self)

        def __call__(self, engine: Engine) -> None:
            seen.append(torch.load(path, weights_only=True)["training"]["epoch"] if path.exists() else 0)

    trainer, _, _ = training(path, interval=2, epochs=5, extra=[Look()])
    trainer.run()
    assert seen == [0, 0, 2, 2, 4]
    assert torch.load(path, weights_only=True)["training"]["epoch"] == 5


def test_resume_without_a_file_starts_fresh_and_says_so(tmp_path, caplog):
    expected, _ = uninterrupted(tmp_path / "a.pt")
    with caplog.at_level("INFO", logger="brain_bundles"):
        trainer, network, _ = training(tmp_path / "none.pt", resume=True)
        trainer.run()
    assert "starting from the beginning" in caplog.text
    assert_equal_states(network.state_dict(), expected)


def test_resuming_a_finished_run_does_nothing(tmp_path):
    expected, _ = uninterrupted(tmp_path / "a.pt")
    trainer, network, losses = training(tmp_path / "a.pt", resume=True)
    trainer.run()
    assert losses == []
    assert_equal_states(network.state_dict(), expected)


def test_a_finished_run_can_be_prolonged(tmp_path):
    expected, losses = uninterrupted(tmp_path / "a.pt", epochs=5)
    uninterrupted(tmp_path / "b.pt", epochs=3)
    trainer, network, more = training(tmp_path / "b.pt", resume=True, epochs=5)
    trainer.run()
    assert more == losses[9:]
    assert_equal_states(network.state_dict(), expected)


@pytest.mark.parametrize("damage", [lambda data: data[:200], lambda data: b"", lambda data: b"x" * 500])
def test_a_damaged_file_is_a_clear_error(tmp_path, damage):
    path = tmp_path / "a.pt"
    uninterrupted(path, epochs=1)
    path.write_bytes(damage(path.read_bytes()))
    trainer, _, _ = training(path, resume=True)
    with pytest.raises(ValueError, match=r"a\.pt \(\d+ bytes\) cannot be read as plain tensors"):
        trainer.run()


def test_what_does_not_fit_is_named(tmp_path):
    path = tmp_path / "a.pt"
    uninterrupted(path, epochs=1)
    content = torch.load(path, weights_only=True)

    def resumed_after(change) -> None:
        changed = {name: dict(value) for name, value in content.items()}
        change(changed)
        torch.save(changed, path)
        training(path, resume=True)[0].run()

    with pytest.raises(ValueError, match="missing states \\['schedule'\\], states without object \\['ema'\\]"):
        resumed_after(lambda c: c.update(ema=c.pop("schedule")))
    with pytest.raises(ValueError, match=r"network: 1 missing in the file: conv\.bias"):
        resumed_after(lambda c: c["network"].pop("conv.bias"))
    with pytest.raises(ValueError, match="written with 7 iterations per epoch, now there are 3"):
        resumed_after(lambda c: c["training"].update(epoch_length=7))
    with pytest.raises(ValueError, match="is not a resumable checkpoint"):
        resumed_after(lambda c: c.pop("training"))


def test_bad_arguments_are_named(tmp_path):
    with pytest.raises(ValueError, match="interval must be at least 1 epoch, got 0"):
        ResumableCheckpoint({}, tmp_path / "a.pt", interval=0)
    with pytest.raises(ValueError, match="resume is 'false', expected True or False"):
        ResumableCheckpoint({}, tmp_path / "a.pt", resume="false")
    with pytest.raises(ValueError, match=r"object 'network' \(int\) needs state_dict"):
        ResumableCheckpoint({"network": 3}, tmp_path / "a.pt")
    with pytest.raises(ValueError, match="unknown signals \\['SIGNOPE'\\]"):
        ResumableCheckpoint({}, tmp_path / "a.pt", signals=["SIGNOPE"])


def test_epoch_length_other_than_the_loader_is_refused(tmp_path):
    engine = Engine(lambda engine, batch: None)
    ResumableCheckpoint({}, tmp_path / "a.pt").attach(engine)
    with pytest.raises(ValueError, match="an epoch is 2 iterations but the loader has 5"):
        engine.run([0] * 5, epoch_length=2)
