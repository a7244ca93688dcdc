"""Default of every ``dataset_dir``: a phantom population, made at its first use."""

from __future__ import annotations

import logging
import os
import shutil
import time
import uuid
from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import cast

import torch.distributed as dist

from brain_bundles.data.bids import image_path
from brain_bundles.phantom import recipe
from brain_bundles.phantom.unfinished import refuse_content
from brain_bundles.phantom.writer import write_phantoms

logger = logging.getLogger(__name__)

STALE_AFTER_S = 3600  # a running process adds a subject to its folder much more often


class PhantomDataset(os.PathLike[str]):
    """Folder of a phantom population, made when its path is first used; the default of ``dataset_dir``.

    A workflow that only shows its properties makes none. The dataset is complete or absent, so the next start after a
    killed one makes it again. With several processes rank 0 makes it and the others wait; all must see the folder.

    Args:
        dataset_dir: folder of the dataset, made if missing.
        options: as for :func:`write_phantoms`. An existing dataset is used as it is.

    Raises:
        FileExistsError: by ``os.fspath``, if ``dataset_dir`` has content that is no dataset, or a dataset without some
            of the ``suffixes``, or phantoms of another population.
        OSError: by ``os.fspath``, if ``dataset_dir`` cannot be reached, such as by links that lead back to themselves.
        ValueError: by ``os.fspath``, as for :func:`write_phantoms`.
    """

    def __init__(self, dataset_dir: str | os.PathLike[str], **options: object) -> None:
        self.dataset_dir, self.options = Path(dataset_dir), options

    def __str__(self) -> str:
        return str(self.dataset_dir)

    def __fspath__(self) -> str:
        return self._made

    @cached_property
    def _made(self) -> str:
        folder = self.dataset_dir
        _refuse_unreachable(folder)
        table = folder / "participants.tsv"
        if _is_rank_0():
            _remove_stale(folder.resolve())
            if not table.is_file():
                logger.info("no dataset at %s yet: making the phantom population", folder)
                _write_whole(folder.resolve(), self.options)
        elif not table.is_file():
            logger.info("no dataset at %s yet: waiting for rank 0 to make it", folder)
        # Wait for the file, not at a barrier: a config may be read before the process group exists.
        while not table.is_file():
            time.sleep(0.2)
        _refuse_other_population(folder, recipe.TEMPLATE if self.options.get("anatomies") is None else recipe.HEADS)
        _refuse_other_contrasts(folder, self.options.get("suffixes", ()))
        return os.fspath(folder)


def _refuse_other_population(folder: Path, asked: str) -> None:
    """Refuse phantoms of another recipe; a dataset that is no phantom's is used as it is."""
    there = recipe.population_of(folder)
    if there not in (None, asked):
        raise FileExistsError(
            f"the phantoms in {folder} are of the population {there}, and {asked} is asked for; remove the folder to "
            "make them again, or give another dataset_dir."
        )


def _refuse_other_contrasts(folder: Path, suffixes: object) -> None:
    """Refuse an earlier run's dataset without the contrasts of this run; all subjects have the same contrasts."""
    names = [suffixes] if isinstance(suffixes, str) else list(cast(Iterable[str], suffixes))
    person = next(iter(sorted(folder.glob("sub-*"))), None)
    if person is None:
        return
    if lacking := [name for name in names if not image_path(folder, person.name, name).is_file()]:
        raise FileExistsError(
            f"the phantoms in {folder} were made without {', '.join(lacking)}; remove the folder to make them "
            "again, or give another dataset_dir."
        )


def _refuse_unreachable(folder: Path) -> None:
    """Raise an OSError that names a folder which can neither be read nor made."""
    try:
        folder.stat()
    except FileNotFoundError:
        return  # it can be made
    except OSError as error:
        what = f"{error.strerror}; give a folder, or the name of a new one, as dataset_dir"
        raise OSError(error.errno, what, os.fspath(folder)) from None


def _is_rank_0() -> bool:
    """True in the process that makes the dataset, by torch.distributed or by torchrun's environment variables."""
    if dist.is_available() and dist.is_initialized():
        return dist.get_rank() == 0
    return int(os.environ.get("WORLD_SIZE", "1")) <= 1 or int(os.environ.get("RANK", "0")) == 0


def _write_whole(folder: Path, options: Mapping[str, object]) -> None:
    """Write the phantoms beside ``folder``, then rename them to it. Of two runs at the same time one wins."""
    refuse_content(folder)
    work = folder.with_name(f".{folder.name}.{uuid.uuid4().hex[:12]}.tmp")
    try:
        write_phantoms(work, **options)  # type: ignore[arg-type]
        try:
            os.replace(work, folder)
        except OSError:  # the folder has content now
            if not (folder / "participants.tsv").is_file():
                raise
            logger.info("another run made %s meanwhile", folder)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _remove_stale(folder: Path) -> None:
    """Remove folders of killed runs beside ``folder``; one that changed within the hour may belong to a running one."""
    for left in folder.parent.glob(f".{folder.name}.*.tmp"):
        try:
            if time.time() - left.stat().st_mtime > STALE_AFTER_S:
                shutil.rmtree(left, ignore_errors=True)
        except FileNotFoundError:
            continue  # renamed or removed by its owner meanwhile
