import subprocess
import sys
from pathlib import Path

import pytest
import torch
from brain_bundles.utils import (
    finish_distributed,
    init_distributed,
    is_main_process,
    unwrap,
    world_size,
    wrap_distributed,
)

from . import distributed_training


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> dict[int, Path]:
    """Folder with the results of the same training in 1 and in 2 processes."""
    folders = {processes: tmp_path_factory.mktemp(f"processes{processes}") for processes in (1, 2)}
    distributed_training.main(folders[1])
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
    command += [distributed_training.__file__, str(folders[2])]
    done = subprocess.run(command, capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stderr[-4000:]
    return folders


@pytest.mark.distributed
@pytest.mark.parametrize(("name", "iterations"), [("autoencoder", 6), ("diffusion", 8)])
def test_two_processes_have_the_loss_curve_of_one(runs, name, iterations):
    curves = [torch.load(runs[processes] / "curves.pt", weights_only=True)[name] for processes in (1, 2)]
    assert len(curves[0]) == len(curves[1]) == iterations
    for one, two in zip(*curves, strict=True):
        assert set(one) == set(two)
        # float32 sums in another order; the KL term is a sum of 128 elements and so is relative
        assert two == pytest.approx(one, rel=1e-5, abs=1e-5)
    assert len({curve["loss"] for curve in curves[0]}) == iterations


@pytest.mark.distributed
@pytest.mark.parametrize("name", ["autoencoder_INSTANCE.pt", "diffusion.pt"])
def test_two_processes_save_the_weights_of_one_under_plain_names(runs, name):
    one, two = (torch.load(runs[processes] / name, weights_only=True) for processes in (1, 2))
    assert list(one) == list(two)
    assert not any(key.startswith("module.") for key in two)
    for key, value in one.items():
        # Adam divides by the gradient's size, so rounding moves a weight by a part of a step of 1e-3
        torch.testing.assert_close(two[key], value, rtol=0, atol=1e-4)


@pytest.mark.distributed
def test_the_training_moved_the_weights(runs):
    first, last = (
        torch.load(runs[2] / f"{name}.pt", weights_only=True) for name in ("initial", "autoencoder_INSTANCE")
    )
    assert max(float((last[key] - first[key]).abs().max()) for key in first) > 3e-3  # 6 steps of up to 1e-3


@pytest.mark.distributed
def test_batch_norm_discriminator_trains_and_resumes_in_two_processes(runs):
    losses = torch.load(runs[2] / "curves.pt", weights_only=True)["batch_norm"]
    assert len(losses) == 6
    assert all(value == value for item in losses for value in item.values())


def test_one_process_is_left_alone(monkeypatch):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    network = torch.nn.Linear(1, 1)
    assert init_distributed() is False
    assert world_size() == 1
    assert is_main_process()
    assert wrap_distributed(network) is network
    assert unwrap(network) is network
    finish_distributed()


def test_environment_without_a_rank_is_refused(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    for name in ("RANK", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(
        ValueError, match="WORLD_SIZE is 2 but RANK, MASTER_ADDR, MASTER_PORT is not set; start with torchrun"
    ):
        init_distributed()
