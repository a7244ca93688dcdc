"""One shard: made in a hidden folder, and renamed when it is whole."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

from brain_bundles.data.bids import write_dataset_description
from brain_bundles.data.participants import write_participants
from brain_bundles.phantom.unfinished import PROGRESS, UnfinishedDataset
from brain_bundles.runs.run_output import NOT_BIDS
from brain_bundles.synthesis.card import data_card
from brain_bundles.synthesis.checksums import SUMS, content_of, write_checksums
from brain_bundles.synthesis.contrasts import place_translations
from brain_bundles.synthesis.models import Models
from brain_bundles.synthesis.plan import Plan, Shard
from brain_bundles.synthesis.quality import COLUMNS, describe_subject


def make_shard(folder: Path, shard: Shard, plan: Plan, models: Models) -> None:
    """Make one shard of a set, a BIDS dataset in ``folder / shard.name``, or finish what an earlier start has begun.

    The shard has its name when all of it is there. Until then it lies in the hidden folder ``.unfinished`` of the set,
    with every image that is done, so that a start after a killed one loses the image that was being made.

    Args:
        folder: folder of the set.
        shard: the shard.
        plan: the whole set.
        models: the models.

    Raises:
        OSError: if a file cannot be written, such as on a full disk.
    """
    final, work = folder / shard.name, folder / PROGRESS / shard.name
    if not final.is_dir():
        dataset = work / "dataset"
        notes = UnfinishedDataset(dataset, {"seed": plan.seed, "first": shard.first, "size": shard.size})
        output = models.generate(dataset, first=shard.first, number=shard.size, seed=plan.seed)
        translated = models.translate(dataset, work / "translated", seed=plan.seed)
        if translated is not None:
            place_translations(translated, dataset)
        models.segment(dataset)
        rows = [_described(notes, row, models) for row in output.rows]
        _describe_dataset(dataset, shard, rows, plan, models)
        os.replace(dataset, final)
    for left in (final / PROGRESS, work):  # also those of a start that was killed just here
        shutil.rmtree(left, ignore_errors=True)


def _described(notes: UnfinishedDataset, row: dict[str, Any], models: Models) -> dict[str, Any]:
    """Row of participants.tsv, from the notes of an earlier start if its images are still whole."""
    found = notes.row(str(row["participant_id"]))
    if found is None:
        found = describe_subject(
            notes.dataset_dir,
            row,
            suffix=models.suffix,
            targets=models.targets,
            segmented=models.segmenter is not None,
        )
        notes.keep(found)
    return found


def _describe_dataset(dataset: Path, shard: Shard, rows: list[dict[str, Any]], plan: Plan, models: Models) -> None:
    """Write the table, the card and, last, the checksums."""
    title = f"Synthetic brain MRI, shard {shard.number} of {len(plan.shards)}"
    write_participants(dataset, rows, columns=COLUMNS)
    write_dataset_description(
        dataset,
        title,
        generated_by={"Description": "Synthetic images, sampled from a model; no person was scanned for them."},
        readme=data_card(title, rows, plan, models),
        ignore=(*NOT_BIDS, SUMS),
    )
    for pattern in (".*.tmp", ".probe.*"):  # of killed starts: this process alone writes here
        for left in list(dataset.rglob(pattern)):
            left.unlink()
    write_checksums(dataset, content_of(dataset))
