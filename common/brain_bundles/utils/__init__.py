"""Foundations of all other places: seeds, precision, checkpoints, hashes, processes, atomic files, warnings."""

from brain_bundles.utils.atomic import atomic_file, atomic_write, write_json
from brain_bundles.utils.config_overrides import check_command_line, given_overrides
from brain_bundles.utils.distributed import (
    DistributedDataParallel,
    finish_distributed,
    first_after_all,
    init_distributed,
    is_main_process,
    local_device,
    unwrap,
    world_size,
    wrap_distributed,
)
from brain_bundles.utils.fingerprint import hash_file, weights_fingerprint, weights_hash
from brain_bundles.utils.loading import load_weights, read_plain, read_recipe, read_weights
from brain_bundles.utils.memory_format import to_device
from brain_bundles.utils.plain_tensor import plain_tensor
from brain_bundles.utils.precision import autocast, needs_loss_scaling, resolve_precision
from brain_bundles.utils.random_state import random_states, restore_random_states
from brain_bundles.utils.recipe import Recipe, decode_recipe, encode_recipe, recipe_of, training_history, with_recipe
from brain_bundles.utils.release import require_version
from brain_bundles.utils.saving import save_atomically, save_network, to_plain
from brain_bundles.utils.seeding import SAMPLE_SEED, derive_seed, generator_for
from brain_bundles.utils.user_warning import BrainBundlesWarning

__all__ = [
    "SAMPLE_SEED",
    "BrainBundlesWarning",
    "DistributedDataParallel",
    "Recipe",
    "atomic_file",
    "atomic_write",
    "autocast",
    "check_command_line",
    "decode_recipe",
    "derive_seed",
    "encode_recipe",
    "finish_distributed",
    "first_after_all",
    "generator_for",
    "given_overrides",
    "hash_file",
    "init_distributed",
    "is_main_process",
    "load_weights",
    "local_device",
    "needs_loss_scaling",
    "plain_tensor",
    "random_states",
    "read_plain",
    "read_recipe",
    "read_weights",
    "recipe_of",
    "require_version",
    "resolve_precision",
    "restore_random_states",
    "save_atomically",
    "save_network",
    "to_device",
    "to_plain",
    "training_history",
    "unwrap",
    "weights_fingerprint",
    "weights_hash",
    "with_recipe",
    "world_size",
    "wrap_distributed",
    "write_json",
]
