"""Distributed training under torchrun. In a single process every call is a no-op, so configs are the same."""

from __future__ import annotations

import inspect
import logging
import os
from typing import Any, cast

import torch
import torch.distributed as dist
from torch import nn

from brain_bundles.workers import end_forked_with_this_process, end_with_parent

logger = logging.getLogger(__name__)


def rank() -> int:
    """Rank of this process, 0 without a process group."""
    return dist.get_rank() if dist.is_available() and dist.is_initialized() else 0


def world_size() -> int:
    """Number of processes, 1 without a process group."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def is_main_process() -> bool:
    """Return True in the process that writes files and prints to the terminal."""
    return rank() == 0


def init_distributed(backend: str | None = None) -> bool:
    """Join the process group that torchrun announces in the environment; for ``initialize`` of a config.

    From here on no process outlives the one that started it: a rank that of torchrun, a worker of a data loader its
    rank.

    Args:
        backend: nccl or gloo; None means nccl with a GPU and gloo without.

    Returns:
        True if there is more than one process.

    Raises:
        ValueError: if the environment announces several processes but no rank or address for this one.
    """
    end_forked_with_this_process()
    processes = int(os.environ.get("WORLD_SIZE", "1"))
    if processes <= 1:
        return False
    if "TORCHELASTIC_RUN_ID" in os.environ:
        end_with_parent()  # else ranks go on without torchrun, beside those of the next start
    if not dist.is_initialized():
        if missing := [name for name in ("RANK", "MASTER_ADDR", "MASTER_PORT") if name not in os.environ]:
            raise ValueError(f"WORLD_SIZE is {processes} but {', '.join(missing)} is not set; start with torchrun.")
        if torch.cuda.is_available():
            torch.cuda.set_device(local_device())
        dist.init_process_group(backend or ("nccl" if torch.cuda.is_available() else "gloo"))
        if not is_main_process():
            logging.getLogger().setLevel(logging.WARNING)  # one copy of each message
    return True


def finish_distributed() -> None:
    """Leave the process group; for ``finalize`` of a config."""
    if dist.is_available() and dist.is_initialized():
        dist.barrier()  # rank 0 holds the store that the others need until they have left
        dist.destroy_process_group()


def local_device() -> torch.device:
    """The GPU of this process (by LOCAL_RANK), or the CPU."""
    if not torch.cuda.is_available():
        return torch.device("cpu")
    return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")) % torch.cuda.device_count())


class DistributedDataParallel(nn.parallel.DistributedDataParallel):
    """DistributedDataParallel whose state dict has the keys of the plain network, without ``module.``.

    Checkpoints then move freely between one process and many.
    """

    def state_dict(self, *args: Any, **kwargs: Any) -> Any:
        return self.module.state_dict(*args, **kwargs)

    def load_state_dict(self, *args: Any, **kwargs: Any) -> Any:
        return self.module.load_state_dict(*args, **kwargs)


def wrap_distributed(network: nn.Module, **kwargs: Any) -> nn.Module:
    """``network`` as :class:`DistributedDataParallel` if there are several processes, else unchanged.

    Args:
        network: network, already on its device; all ranks get the weights of rank 0.
        kwargs: further arguments of torch's DistributedDataParallel.
    """
    if world_size() == 1:
        return network
    # Sending buffers before each forward would overwrite batch-norm statistics that a second forward of the same step
    # (real and generated images in one discriminator step) still needs. PyTorch 2.13 renamed the argument.
    known = inspect.signature(nn.parallel.DistributedDataParallel.__init__).parameters
    name = "forward_sync_buffers" if "forward_sync_buffers" in known else "broadcast_buffers"
    return DistributedDataParallel(network, **{name: False, **kwargs})


def unwrap(network: nn.Module) -> nn.Module:
    """Network inside DistributedDataParallel and torch.compile."""
    while True:
        if isinstance(network, nn.parallel.DistributedDataParallel):
            network = cast(nn.Module, network.module)
        elif hasattr(network, "_orig_mod"):
            network = cast(nn.Module, network._orig_mod)
        else:
            return network


def first_after_all() -> bool:
    """Wait for all processes; return True in the main one, which then writes for all."""
    if world_size() > 1:
        dist.barrier()
    return is_main_process()


def largest_of_all_ranks(value: int) -> int:
    """Return the largest of the values that all ranks give; every rank calls it."""
    if world_size() == 1:
        return value
    device = local_device() if dist.get_backend() == "nccl" else torch.device("cpu")
    tensor = torch.tensor([value], device=device)
    dist.all_reduce(tensor, op=dist.ReduceOp.MAX)
    return int(tensor.item())


def same_on_all_ranks(value: bool) -> bool:
    """Return True if all ranks give the same value; every rank calls it."""
    return largest_of_all_ranks(int(value)) == 1 - largest_of_all_ranks(int(not value))
