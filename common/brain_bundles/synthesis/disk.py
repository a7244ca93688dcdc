"""How much disk a synthetic data set needs, and whether it is there."""

from __future__ import annotations

import logging
import math
import os
import shutil
from pathlib import Path

from brain_bundles.data.participants import read_tsv
from brain_bundles.synthesis.models import Models
from brain_bundles.synthesis.plan import Plan, Shard

logger = logging.getLogger(__name__)
# Bytes, on the safe side. Per voxel: a volume, which is int16 and compressed to less than half (0.3 to 0.5 in brains of
# 2 mm), a mask and a segmentation together (0.06). A sidecar has some kilobytes, and takes whole blocks.
_VOLUME, _LABELS, _SIDECAR = 1.0, 0.1, 8192


def bytes_of_subject(models: Models) -> int:
    """Bytes of the files of one brain, before the first is made."""
    voxels = math.prod(models.spatial_size)
    need = (1 + len(models.targets)) * (_VOLUME * voxels + _SIDECAR)
    if models.segmenter is not None:
        need += _LABELS * voxels + 2 * _SIDECAR
    return math.ceil(need)


def measured_bytes_of_subject(shard: Path) -> int:
    """Bytes that one brain takes in a finished shard, in whole blocks of 4096."""
    taken = sum(-(-path.stat().st_size // 4096) * 4096 for path in shard.rglob("*") if path.is_file())
    return math.ceil(taken / max(1, len(read_tsv(shard / "participants.tsv"))))


def check_disk(folder: Path, plan: Plan, models: Models, mine: list[Shard]) -> None:
    """Say what the shards that are missing need and what is free, and refuse what cannot fit.

    Args:
        folder: folder of the set.
        plan: the set.
        models: the models, for the size of a brain before a shard is there to be measured.
        mine: shards of this process that are missing.

    Raises:
        OSError: if the shards of this process alone need more than is free.
    """
    there = next((folder / one.name for one in plan.shards if (folder / one.name).is_dir()), None)
    each = bytes_of_subject(models) if there is None else measured_bytes_of_subject(there)
    missing = [shard for shard in plan.shards if not (folder / shard.name).is_dir()]
    own, all_of_them = (each * sum(shard.size for shard in some) for some in (mine, missing))
    free = shutil.disk_usage(folder).free
    logger.info(
        "%s: %d brains in %d shards, of which %d are missing and need about %s; %s are free.",
        folder,
        plan.num_subjects,
        len(plan.shards),
        len(missing),
        in_words(all_of_them),
        in_words(free),
    )
    if own > free:
        raise OSError(
            f"{os.fspath(folder)}: {sum(shard.size for shard in mine)} brains need about {in_words(own)}, "
            f"{in_words(free)} are free. Make room, or give another folder or a smaller num_subjects."
        )
    if all_of_them > free:
        logger.warning("All processes together need more than is free on this disk.")


def in_words(number: float) -> str:
    """A number of bytes in MiB or GiB."""
    return f"{number / 2**30:.1f} GiB" if number >= 2**30 else f"{number / 2**20:.1f} MiB"
