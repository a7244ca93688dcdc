"""A synthetic data set: shards of brains, made by any number of processes."""

from __future__ import annotations

import logging
import os
import time
from pathlib import Path

from brain_bundles.data.problems import DatasetError
from brain_bundles.runs.run_record import RunRecord
from brain_bundles.synthesis.disk import check_disk
from brain_bundles.synthesis.models import Models
from brain_bundles.synthesis.plan import Plan
from brain_bundles.synthesis.shard import make_shard
from brain_bundles.synthesis.share import Share, on_its_own
from brain_bundles.synthesis.whole import describe_whole
from brain_bundles.utils.atomic import make_folder, remove_stale_temporaries

logger = logging.getLogger(__name__)


def synthesise(dataset_dir: str | os.PathLike[str], plan: Plan, models: Models, *, share: Share | None = None) -> Path:
    """Make a synthetic data set, or this process's share of it, and return its folder.

    Brain i depends on the seed and i alone, and has the bytes of ``brain-bundles generate`` with that seed. A shard is
    the work of one process, so that no two write one file, and has its name when it is whole. Start again what was
    stopped, with any number of processes: whole shards stay, and a shard that was begun goes on with its next image.

    Args:
        dataset_dir: new or empty folder, or one that an earlier start with the same plan and models has begun.
        plan: which brains.
        models: what makes them.
        share: the part of the work to do here; all of it by default.

    Raises:
        DatasetError: if the folder holds another set or other files.
        OSError: if the brains will not fit on the disk, or it is full.
    """
    folder, share = Path(dataset_dir), share or Share()
    _claim(folder, plan, models)
    shards = plan.shards
    if len(shards) < share.count:
        logger.warning(
            "%d shards for %d processes: some have nothing to do; make shards smaller.", len(shards), share.count
        )
    mine = [shard for shard in share.of(shards) if not (folder / shard.name).is_dir()]
    check_disk(folder, plan, models, mine)
    done, began = 0, time.monotonic()
    with on_its_own():
        for shard in share.of(shards):
            try:
                make_shard(folder, shard, plan, models)
            except OSError:
                how_far = f"{done} of {sum(one.size for one in mine)} brains are in whole shards"
                logger.error("Stopped in %s; %s. The same command goes on from here.", shard.name, how_far)
                raise
            if shard in mine:
                done += shard.size
                each = (time.monotonic() - began) / done
                hours = each * (sum(one.size for one in mine) - done) / 3600
                logger.info("%s is whole: %.2f s per brain, about %.1f h to go.", shard.name, each, hours)
    describe_whole(folder, plan, models)
    return folder


def _claim(folder: Path, plan: Plan, models: Models) -> None:
    """Write run.json, which says what the set is; raise if the folder holds something else."""
    settings = {
        "num_subjects": plan.num_subjects,
        "shard_size": plan.shard_size,
        "seed": plan.seed,
        "contrasts": [models.suffix, *models.targets],
        **{f"{name}, {key}": value for name, made in models.settings.items() for key, value in made.items()},
    }
    record = RunRecord(folder, settings, [])
    make_folder(folder)
    remove_stale_temporaries([folder])
    foreign = sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))
    before = record.read()  # looked at last: a start writes its record before the rest
    if before is None and foreign:
        what = f"it has {', '.join(foreign[:3])} and no {record.path.name}; give another folder"
        raise DatasetError(folder, [("the folder holds other files", what)])
    record.update(before)
