"""Output folder of a run: images, usually a BIDS dataset, with a record of their settings, to continue it later."""

from __future__ import annotations

import logging
import math
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch.distributed as dist
from numpy.typing import NDArray

from brain_bundles.data.bids import image_path, read_json, source_links, write_dataset_description
from brain_bundles.data.checks import image_grid
from brain_bundles.data.grid import grid_affine
from brain_bundles.data.nifti import is_complete_nifti
from brain_bundles.data.participants import read_tsv, write_participants
from brain_bundles.data.problems import DatasetError
from brain_bundles.runs.run_record import RUN_FILE, RunRecord
from brain_bundles.utils.atomic import MAX_NAME, atomic_write, remove_stale_temporaries, write_json
from brain_bundles.utils.distributed import is_main_process
from brain_bundles.version import __version__

logger = logging.getLogger(__name__)
# Bytes of an image's name; the one of its standard deviation is longer.
MAX_IMAGE_NAME = MAX_NAME - len("_desc-std")
# Entries of a row that describe its image, not the participant.
ABOUT_FILES = ("image", "file", "source_sha256", "source", "target", "skull_stripped")
# Entries of an item with one value per image -> name of that value in the row of the image.
PER_IMAGE = {"files": "file", "targets": "target", "seeds": "seed"}
# Files in an output folder that are not BIDS: our own, and those of the evaluation.
NOT_BIDS = (RUN_FILE, "preview*.png", "metrics*", "*.log", "volumes.tsv", "quality.tsv")


class RunOutput:
    """Images that a run of a model writes, and which of them are done.

    An item is the work of one call of the model: one image, or several that are derived from one source. An item with
    ``image``, the path of a volume, is derived from that volume; the others are sampled. A dataset of derived images is
    a BIDS derivative, and it grows: a later start may add items, such as a source that was repaired. The paths of the
    sources are not recorded, since files may be moved; a hash of their content belongs into the item. The record has
    one row per image. Images of one participant share its line of participants.tsv.

    Args:
        output_dir: the folder, made if missing. A folder of another run or dataset is refused, not overwritten.
        items: one mapping per item with ``participant_id``; see :func:`make_condition_table` and
            :func:`translation_inputs`. An item with ``files``, paths relative to the folder, makes one image for each,
            and its ``targets`` and ``seeds`` have one entry for each. An item without ``files`` makes one image, at its
            place in BIDS.
        settings: settings that the images depend on, such as scheduler, num_inference_steps, precision, seed, hashes of
            weights. Kept in run.json; a later start in the same folder must have the same.
        provenance: facts that may differ between starts, see :func:`start_provenance`; kept in run.json too. None
            records none.
        spacing: voxel size of the images, mm; None if every image has the grid of its source.
        spatial_size: (D, H, W) voxels; None with ``spacing``.
        suffix: contrast of the images, see :func:`image_path`.
        name: title of the dataset.
        about: what the images are, for the description of the dataset; None for images that a model synthesised.
        bids: write participants.tsv and the other files of a BIDS dataset.
        source_dir: BIDS dataset of the sources of a derivative, which its description links to as ``source``. It may
            have moved since an earlier start.

    Attributes:
        items: the items.
        log_dir: folder of run.json and preview.png: ``logs`` in a derivative, which BIDS keeps for such files, as a
            validator that looks into ``derivatives/`` does not read the .bidsignore there; else the output folder.
        record: the :class:`RunRecord`, with the settings and the provenance as they are written.
        rows: one per image: its item with the image's own ``file``, ``target`` and ``seed``.
        affine: (4, 4), voxel to RAS+ mm, of every image: the grid's centre is the world's origin. None without a grid.
        derived: True if the images are made from other images.

    Raises:
        ValueError: if only one of ``spacing`` and ``spatial_size`` is given, or none and an item has no ``image``; if
            a file lies outside of the folder or has too long a name, or two images have the same file.
    """

    def __init__(
        self,
        output_dir: str | os.PathLike[str],
        items: Sequence[Mapping[str, Any]],
        *,
        settings: Mapping[str, Any],
        provenance: Mapping[str, Any] | None = None,
        spacing: float | Sequence[float] | None = None,
        spatial_size: Sequence[int] | None = None,
        suffix: str = "T1w",
        name: str = "Generated brain MRI",
        about: str | None = None,
        bids: bool = True,
        source_dir: str | os.PathLike[str] | None = None,
    ) -> None:
        self.output_dir = Path(output_dir)
        self.items = [dict(item) for item in items]
        self.rows = [row for item in self.items for row in image_rows(item)]
        self.suffix, self.name, self.about, self.bids = suffix, name, about, bids
        self.source_dir = None if source_dir is None else Path(source_dir)
        self.derived = any("image" in row for row in self.rows)
        self.spatial_size: tuple[int, ...] | None = None
        self.affine: NDArray[np.float64] | None = None
        self.log_dir = self.output_dir / "logs" if self.derived and bids else self.output_dir
        grid: dict[str, Any] = {}
        if spacing is not None and spatial_size is not None:
            self.spatial_size = tuple(int(n) for n in spatial_size)
            self.affine = grid_affine(spacing, spatial_size)
            grid = {"spacing": spacing, "spatial_size": self.spatial_size}
        elif spacing is not None or spatial_size is not None:
            raise ValueError(f"spacing is {spacing} and spatial_size {spatial_size}; give both, or neither.")
        elif not all("image" in row for row in self.rows):
            raise ValueError("without spacing and spatial_size every item needs an image that gives its grid.")
        self._row_of = {row["participant_id"]: row for row in reversed(self.rows)}
        self._check_files()
        self.record = RunRecord(
            self.log_dir,
            {**settings, **grid, "suffix": suffix},
            [{key: value for key, value in row.items() if key != "image"} for row in self.rows],
            provenance=provenance,
            extendable=self.derived,
        )

    def path(self, row: Mapping[str, Any] | str) -> Path:
        """Path of the image of one row; a participant's id means the participant's first row."""
        found = self._row_of.get(row, {"participant_id": row}) if isinstance(row, str) else row
        if "file" in found:
            return self.output_dir / found["file"]
        return image_path(self.output_dir, found["participant_id"], self.suffix)

    def paths(self, item: Mapping[str, Any]) -> list[Path]:
        """Paths of the images of an item, in order."""
        return [self.path(row) for row in image_rows(item)]

    def prepare(self) -> None:
        """Write everything but the images. Every process of a run may call it: all write the same, each file whole.

        Raises:
            DatasetError: if the folder belongs to a run with other settings or conditions, or to another dataset.
            OSError: if the folder cannot be written or the images will not fit.
        """
        try:
            before = self._rows_there()
            # A real write: permissions, quotas and read-only mounts show only then.
            probe = self.output_dir / f".probe.{os.getpid()}"
            atomic_write(probe, bytes(1 << 16))
            probe.unlink(missing_ok=True)
            free = shutil.disk_usage(self.output_dir).free
            missing = [row for row in self.rows if not self.path(row).is_file()]
            needed = sum(self._voxels(row) for row in missing)  # int16, about halved by compression
            if free < needed:
                raise OSError(
                    f"{len(missing)} images need about {needed / 2**20:.0f} MiB, {free / 2**20:.0f} MiB are free"
                )
            # The record comes first, so that a run that is killed here can continue in its folder.
            conditions = self.record.update(before)
            if self.bids:
                self._write_dataset(conditions)
        except DatasetError:
            raise
        except OSError as error:
            raise OSError(
                f"{self.output_dir}: cannot write the output: {error}. Make room or give another output_dir."
            ) from error

    def finish(self) -> None:
        """Note in run.json how long this start took, in the main process. All call it when all images are made.

        Several starts may share the work in one folder at the same time. Each adds its rows to the tables again here,
        as one that began together with it may have written over them.
        """
        self.record.finish()
        if self.bids and self.derived and is_main_process():
            self._write_dataset(self.record.read() or [])

    def pending(
        self, batch_size: int = 1, *, rank: int | None = None, world_size: int | None = None
    ) -> list[dict[str, Any]]:
        """Call :meth:`prepare` and return the items that this process still has to do.

        The items are cut into batches by position, and batch b goes to rank b modulo world_size. A batch with a missing
        image is done as a whole. So a batch has the same items, and an image the same bytes, for any number of ranks
        and restarts. The savers do not write a finished image again.

        Args:
            batch_size: batch size of the data loader, which takes the items in order.
            rank: rank of this process, by default torch.distributed's, or 0.
            world_size: number of processes, by default torch.distributed's, or 1.
        """
        self.prepare()
        running = dist.is_available() and dist.is_initialized()
        world_size = world_size if world_size is not None else dist.get_world_size() if running else 1
        rank = rank if rank is not None else dist.get_rank() if running else 0
        if batch_size < 1 or not 0 <= rank < world_size:
            raise ValueError(
                f"batch_size {batch_size}, rank {rank} of {world_size}: expected a batch_size of at least 1, and a "
                "rank of at least 0 and below the number of processes."
            )
        chosen: list[dict[str, Any]] = []
        finished, damaged = 0, []
        batches = [self.items[start : start + batch_size] for start in range(0, len(self.items), batch_size)]
        for batch in batches[rank::world_size]:
            paths = [path for item in batch for path in self.paths(item)]
            done = [is_complete_nifti(path) for path in paths]
            damaged += [str(path) for path, ok in zip(paths, done, strict=True) if not ok and path.exists()]
            finished += sum(done)
            if not all(done):
                chosen += batch
        remove_stale_temporaries({path.parent for item in chosen for path in self.paths(item)})
        if finished:
            logger.info("%s: %d images are finished, continuing with the rest.", self.output_dir, finished)
        if damaged:
            logger.warning("%d damaged images are made again: %s", len(damaged), ", ".join(damaged))
        return chosen

    def _check_files(self) -> None:
        """Raise unless every row has a file of its own inside of the folder."""
        rows: dict[Path, Any] = {}
        for row in self.rows:
            path = self.path(row)
            if "file" in row and (Path(row["file"]).is_absolute() or ".." in Path(row["file"]).parts):
                raise ValueError(f"{row['participant_id']}: file is {row['file']}, expected a path below output_dir.")
            if len(os.fsencode(path.name)) > MAX_IMAGE_NAME:
                raise ValueError(f"{path}: the name has more than {MAX_IMAGE_NAME} bytes; shorten {path.name[:40]}...")
            if path in rows:
                raise ValueError(f"{row['participant_id']}: its image {path} is also that of {rows[path]}; rename one.")
            rows[path] = row["participant_id"]

    def _voxels(self, row: Mapping[str, Any]) -> int:
        return math.prod(self.spatial_size or image_grid(row["image"])[0])

    def _write_dataset(self, conditions: Sequence[Mapping[str, Any]]) -> None:
        """Write the missing files of a BIDS dataset, and its table if that lacks participants."""
        people: dict[Any, dict[str, Any]] = {}
        for row in conditions:
            about = {key: value for key, value in row.items() if key not in ABOUT_FILES}
            known = people.setdefault(row["participant_id"], about)
            # A value that differs between the images of a participant, such as the seed, is not the participant's.
            people[row["participant_id"]] = {key: value for key, value in known.items() if about.get(key) == value}
        table = self.output_dir / "participants.tsv"
        listed = table.is_file() and (
            not self.derived or people.keys() <= {row.get("participant_id") for row in read_tsv(table)}
        )
        if not listed:
            write_participants(self.output_dir, list(people.values()))
        path = self.output_dir / "dataset_description.json"
        sources = {} if self.source_dir is None else {"source": self.source_dir}
        if not path.is_file():
            where = self.record.path.relative_to(self.output_dir).as_posix()
            how = "derived from other images" if self.derived else "sampled from a model"
            content = self.about or f"Synthetic images, {how}; no person was scanned for them."
            text = f"{content} Settings and conditions are in {where}."
            if not self.derived:  # one sidecar for all images
                what = f"{self.suffix} volume, sampled from a model; not acquired"
                write_json(self.output_dir / f"{self.suffix}.json", {"Description": what})
            write_dataset_description(
                self.output_dir,
                self.name,
                derivative=self.derived,
                generated_by={"Description": text},
                readme=f"{self.name}\n\n{text}\nMade by brain-bundles {__version__}.\n",
                ignore=NOT_BIDS,
                sources=sources,
            )
        elif sources:
            description, links = read_json(path), source_links(self.output_dir, sources)
            if description and description.get("DatasetLinks") != links["DatasetLinks"]:
                write_json(path, {**description, **links})

    def _rows_there(self) -> list[dict[str, Any]] | None:
        """Rows of the earlier starts, None without any; raise unless the folder is free or belongs to this run."""
        before = self.record.read()
        if before is not None:
            return before
        foreign = [n for n in ("participants.tsv", "dataset_description.json") if (self.output_dir / n).exists()]
        foreign += sorted(p.name for p in self.output_dir.glob("sub-*"))[:3]
        foreign += [row["file"] for row in self.rows if "file" in row and self.path(row).exists()][:3]
        before = self.record.read()  # again: another rank may have begun meanwhile
        if before is None and foreign:
            what = f"it has {', '.join(dict.fromkeys(foreign))} and no {RUN_FILE}; give another output_dir"
            raise DatasetError(self.output_dir, [("the folder holds another dataset", what)])
        return before


def image_rows(item: Mapping[str, Any]) -> list[dict[str, Any]]:
    """List one row per image of an item: the item, with the image's own entries in place of the lists."""
    number = len(item["files"]) if "files" in item else 1
    return [
        {PER_IMAGE.get(key, key): value[i] if key in PER_IMAGE else value for key, value in item.items()}
        for i in range(number)
    ]
