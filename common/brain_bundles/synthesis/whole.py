"""The files of a whole set beside its shards, written by whichever process ends the last shard."""

from __future__ import annotations

import contextlib
import logging
from pathlib import Path
from typing import Any

from brain_bundles.data.participants import read_tsv, write_participants
from brain_bundles.phantom.unfinished import PROGRESS
from brain_bundles.synthesis.card import data_card
from brain_bundles.synthesis.checksums import SUMS, write_checksums
from brain_bundles.synthesis.models import Models
from brain_bundles.synthesis.plan import Plan
from brain_bundles.synthesis.quality import COLUMNS
from brain_bundles.utils.atomic import atomic_write

logger = logging.getLogger(__name__)
README = "README.md"
SHARD = {"shard": {"Description": "folder of the participant's dataset"}}


def describe_whole(folder: Path, plan: Plan, models: Models) -> bool:
    """Write the table of all brains, the data card and the checksums of the shards, if all shards are there.

    Several processes may do so at once: all write the same, each file whole.

    Returns:
        True if the set is complete.
    """
    shards = [folder / shard.name for shard in plan.shards]
    if missing := [shard.name for shard in shards if not shard.is_dir()]:
        logger.info("%s: %d of %d shards are still to be made.", folder, len(missing), len(shards))
        return False
    rows: list[dict[str, Any]] = [
        {**row, "shard": shard.name} for shard in shards for row in read_tsv(shard / "participants.tsv")
    ]
    write_participants(folder, rows, columns={**COLUMNS, **SHARD})
    atomic_write(folder / README, data_card("Synthetic brain MRI", rows, plan, models))
    tables = [folder / "participants.tsv", folder / "participants.json", folder / README]
    write_checksums(folder, [*tables, *(shard / SUMS for shard in shards)])
    with contextlib.suppress(OSError):
        (folder / PROGRESS).rmdir()
    logger.info("%s is complete: %d brains in %d shards.", folder, len(rows), len(shards))
    return True
