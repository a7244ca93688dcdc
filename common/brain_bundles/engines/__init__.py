"""Trainers on top of MONAI's, and what makes them run alike on one process and many."""

from brain_bundles.engines.autoencoder_trainer import AutoencoderTrainer, TrainingResults
from brain_bundles.engines.condition_prepare_batch import ConditionPrepareBatch
from brain_bundles.engines.distributed import (
    DistributedDataParallel,
    finish_distributed,
    init_distributed,
    is_main_process,
    local_device,
    main_process_only,
    unwrap,
    world_size,
    wrap_distributed,
)
from brain_bundles.engines.muon_groups import muon_groups
from brain_bundles.engines.per_sample_noise import per_sample_randn, per_sample_sampling
from brain_bundles.engines.prepare_batch import LatentDiffusionPrepareBatch

__all__ = [
    "AutoencoderTrainer",
    "ConditionPrepareBatch",
    "DistributedDataParallel",
    "LatentDiffusionPrepareBatch",
    "TrainingResults",
    "finish_distributed",
    "init_distributed",
    "is_main_process",
    "local_device",
    "main_process_only",
    "muon_groups",
    "per_sample_randn",
    "per_sample_sampling",
    "unwrap",
    "world_size",
    "wrap_distributed",
]
