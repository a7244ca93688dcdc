"""The output folder of a sampling run: a BIDS dataset that remembers what made it and can be gone on with."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch.distributed as dist

from brain_bundles.data.atomic import atomic_write, write_json
from brain_bundles.data.bids import image_path, write_dataset_description
from brain_bundles.data.grid import grid_affine
from brain_bundles.data.nifti import is_complete_nifti
from brain_bundles.data.participants import write_participants
from brain_bundles.data.problems import DatasetError
from brain_bundles.version import __version__

logger = logging.getLogger(__name__)
RUN_FILE = "run.json"
# What stands in an output folder beside BIDS: our own files, and those of evaluation.
NOT_BIDS = (RUN_FILE, "preview*.png", "metrics*", "*.log")


def hash_file(path: str | os.PathLike[str]) -> str:
    """SHA-256 of a file, such as the weights of a run."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(1 << 22):
            digest.update(chunk)
    return digest.hexdigest()


class RunOutput:
    """What a sampling run writes, and which of it is done.

    Args:
        output_dir: the folder, made if missing. A folder that another run or dataset fills is refused, not overwritten.
        rows: the table of conditions, see :func:`make_condition_table`; it becomes participants.tsv.
        settings: what the images depend on, such as sampler, num_inference_steps, precision, seed, hashes of weights.
            Kept in run.json; a later start in the same folder must have the same.
        spacing: voxel size of the images, mm.
        spatial_size: (D, H, W) voxels.
        suffix: contrast of the images, see :func:`image_path`.
        name: title of the dataset.

    Attributes:
        affine: (4, 4), voxel to RAS+ mm, of every image: the grid's centre is the world's origin.
    """

    def __init__(
        self,
        output_dir: str | os.PathLike[str],
        rows: Sequence[Mapping[str, Any]],
        *,
        settings: Mapping[str, Any],
        spacing: float | Sequence[float],
        spatial_size: Sequence[int],
        suffix: str = "T1w",
        name: str = "Generated brain MRI",
    ) -> None:
        self.output_dir = Path(output_dir)
        self.rows = [dict(row) for row in rows]
        self.spatial_size = tuple(int(n) for n in spatial_size)
        self.affine = grid_affine(spacing, spatial_size)
        self.suffix, self.name = suffix, name
        grid = {"spacing": spacing, "spatial_size": self.spatial_size, "suffix": suffix}
        record = {"version": __version__, "settings": {**settings, **grid}, "conditions": self.rows}
        self.record: dict[str, Any] = json.loads(json.dumps(record, default=str))  # as it will be read back

    def path(self, participant_id: str) -> Path:
        """Where the image of one row goes."""
        return image_path(self.output_dir, participant_id, self.suffix)

    def prepare(self) -> None:
        """Write everything but the images. Every process of a run may call it: all write the same, each file whole.

        Raises:
            DatasetError: if the folder belongs to a run with other settings or conditions, or to another dataset.
            OSError: if the folder cannot be written or the images will not fit.
        """
        try:
            self._check_owner()
            # A real write: permissions, quotas and read-only mounts show only then.
            probe = self.output_dir / f".probe.{os.getpid()}"
            atomic_write(probe, bytes(1 << 16))
            probe.unlink(missing_ok=True)
            free = shutil.disk_usage(self.output_dir).free
            missing = sum(not self.path(row["participant_id"]).is_file() for row in self.rows)
            depth, height, width = self.spatial_size
            needed = missing * depth * height * width  # int16, about halved by compression
            if free < needed:
                raise OSError(f"{missing} images need about {needed / 2**20:.0f} MiB, {free / 2**20:.0f} MiB are free")
            if not (self.output_dir / RUN_FILE).is_file():
                write_json(self.output_dir / RUN_FILE, self.record)
            # The record comes first: a run that dies here finds its folder again.
            if not (self.output_dir / "participants.tsv").is_file():
                write_participants(self.output_dir, self.rows)
            if not (self.output_dir / "dataset_description.json").is_file():
                by = {"Description": f"sampled; settings and conditions are in {RUN_FILE}"}
                write_dataset_description(self.output_dir, self.name, generated_by=by, ignore=NOT_BIDS)
        except DatasetError:
            raise
        except OSError as error:
            raise OSError(
                f"{self.output_dir}: cannot write the output: {error}. Make room or give another output_dir."
            ) from error

    def pending(
        self, batch_size: int = 1, *, rank: int | None = None, world_size: int | None = None
    ) -> list[dict[str, Any]]:
        """The rows that this process still has to sample, after :meth:`prepare`.

        The table is cut into batches by position, batch b goes to rank b modulo world_size, and a batch is sampled
        whole as long as one of its images is missing. So a batch has the same rows, hence an image the same bytes, for
        any number of ranks and restarts; :class:`SampleSaver` does not write a finished image again.

        Args:
            batch_size: of the data loader that takes the rows in order.
            rank: of this process, by default torch.distributed's, or 0.
            world_size: number of processes, by default torch.distributed's, or 1.
        """
        self.prepare()
        running = dist.is_available() and dist.is_initialized()
        world_size = world_size if world_size is not None else dist.get_world_size() if running else 1
        rank = rank if rank is not None else dist.get_rank() if running else 0
        if batch_size < 1 or not 0 <= rank < world_size:
            raise ValueError(
                f"batch_size {batch_size}, rank {rank} of {world_size}: expected at least 1, and rank below it."
            )
        chosen: list[dict[str, Any]] = []
        finished, damaged = 0, []
        for start in range(rank * batch_size, len(self.rows), world_size * batch_size):
            batch = self.rows[start : start + batch_size]
            paths = [self.path(row["participant_id"]) for row in batch]
            done = [is_complete_nifti(path) for path in paths]
            damaged += [str(path) for path, ok in zip(paths, done, strict=True) if not ok and path.exists()]
            finished += sum(done)
            if not all(done):
                chosen += batch
                _remove_stale_temporaries(paths)
        if finished:
            logger.info("%s: %d images are finished, going on with the rest.", self.output_dir, finished)
        if damaged:
            logger.warning("%d damaged images are made again: %s", len(damaged), ", ".join(damaged))
        return chosen

    def _check_owner(self) -> None:
        """Raise unless the folder is free or holds this very run."""
        path = self.output_dir / RUN_FILE
        if not path.is_file():
            foreign = [n for n in ("participants.tsv", "dataset_description.json") if (self.output_dir / n).exists()]
            foreign += sorted(p.name for p in self.output_dir.glob("sub-*"))[:3]
            if foreign and not path.is_file():  # asked again: another rank may have begun meanwhile
                what = f"it has {', '.join(foreign)} and no {RUN_FILE}; give another output_dir"
                raise DatasetError(self.output_dir, [("the folder holds another dataset", what)])
            return
        try:
            there = json.loads(path.read_text())
            before, rows_before = {**there["settings"], "version": there["version"]}, there["conditions"]
        except (ValueError, KeyError, TypeError) as error:
            raise DatasetError(
                path, [("unreadable", f"{error!r}; give another output_dir, or empty this one")]
            ) from None
        now, rows_now = {**self.record["settings"], "version": self.record["version"]}, self.record["conditions"]
        problems = [
            ("another setting", f"{key}: {before.get(key, 'not set')} there, {now.get(key, 'not set')} now")
            for key in sorted({*before, *now})
            if before.get(key) != now.get(key)
        ]
        if len(rows_before) != len(rows_now):
            problems.append(("other conditions", f"{len(rows_before)} rows there, {len(rows_now)} now"))
        for a, b in zip(rows_before, rows_now, strict=False):
            cells = [f"{key} {a.get(key)} there, {b.get(key)} now" for key in b if a.get(key) != b[key]]
            problems += [("other conditions", f"{a.get('participant_id')}: {'; '.join(cells)}")] if cells else []
        if problems:
            what = "give another output_dir, or the settings that are there to go on with that run"
            raise DatasetError(self.output_dir, [*problems, ("the folder belongs to another run", what)])


def _remove_stale_temporaries(paths: Sequence[Path]) -> None:
    """Remove what a killed process left beside ``paths``; younger than an hour it may belong to a living one."""
    for path in paths:
        for left in path.parent.glob(f".{path.name}.*.tmp"):
            try:
                if time.time() - left.stat().st_mtime > 3600:
                    left.unlink()
            except FileNotFoundError:
                continue  # renamed by its owner meanwhile
