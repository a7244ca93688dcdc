"""The run over all visits: parallel, resumable, and shared among the tasks of an array if need be."""

from __future__ import annotations

import concurrent.futures
import json
import logging
import multiprocessing
import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from brain_bundles.data.bids import read_json, write_dataset_description
from brain_bundles.data.bids_scans import Labels
from brain_bundles.data.problems import DatasetError, first_names, grouped
from brain_bundles.data.volumes import VOLUMES
from brain_bundles.evaluation.measurement import CLASSICAL, measure_file
from brain_bundles.prepare.layouts import read_download
from brain_bundles.prepare.options import Options
from brain_bundles.prepare.page import write_page
from brain_bundles.prepare.picture import save_picture
from brain_bundles.prepare.results import (
    OWN,
    about_visit,
    image_file,
    is_done,
    mask_file,
    picture_path,
    read_record,
    record_name,
    record_path,
    remove_visit,
    write_record,
    write_visit,
)
from brain_bundles.prepare.scans import Download, Scan, Visit, selected
from brain_bundles.prepare.tables import write_tables
from brain_bundles.prepare.visit import prepare_visit
from brain_bundles.utils.atomic import remove_stale_temporaries, write_json
from brain_bundles.utils.natural_order import natural_order
from brain_bundles.workers import end_with_parent, num_cores

logger = logging.getLogger(__name__)
LEVELS = ("participant", "group", "all")


def prepare(
    source: str | os.PathLike[str],
    dest: str | os.PathLike[str],
    *,
    layout: str | None = None,
    options: Options | None = None,
    level: str = "all",
    participants: Labels | None = None,
    sessions: Labels | None = None,
    table: str | os.PathLike[str] | None = None,
    mask: str | None = None,
    entities: Mapping[str, str] | None = None,
    split: bool = True,
    num_workers: int | None = None,
) -> None:
    """Prepare a download as a BIDS derivative that trainings and translations take.

    A later start continues; a visit that is done is not touched. Visits that cannot be prepared are named at the end.

    Args:
        source: the download.
        dest: folder of the result, made if missing.
        layout: name of the source's layout, see :data:`brain_bundles.prepare.layouts.LAYOUTS`; None detects it.
        options: settings.
        level: "participant" prepares visits, "group" writes the tables and the page over all of them, "all" does both.
            The last task of an array writes them too.
        participants, sessions: prepare only these; labels with or without sub- and ses-.
        table: table of ages and sexes, where it lies elsewhere than the layout has it.
        mask: ending of the names of brain masks beside the images, such as "brainmask".
        entities: which of several files of one contrast to take, such as {"acq": "3D"}.
        split: add a split to participants.tsv.
        num_workers: number of processes, by default one per core.

    Raises:
        FileNotFoundError: if there is no such source, or nothing in it.
        ValueError: for an unknown layout or label.
        DatasetError: after the others are done, with each visit that was left out; or at once, if ``dest`` was prepared
            with other settings.
    """
    options = options or Options()
    source, dest = Path(source).resolve(), Path(dest).resolve()
    if level not in LEVELS:
        raise ValueError(f"level is {level!r}, allowed are {', '.join(LEVELS)}.")
    if dest == source or dest.is_relative_to(source):
        raise ValueError(f"{dest} lies in the source; give another folder, so that a later start does not read it.")
    download = read_download(source, layout, work_dir=dest / OWN / "converted", table=table, mask=mask)
    every = [_only(visit, options.contrasts) for visit in download.visits(entities)]
    every = [visit for visit in every if visit.scans]
    _log_left_out(download)
    if not every:
        raise FileNotFoundError(f"{source}: no scans of {', '.join(options.contrasts or ['a known contrast'])} in it.")
    chosen = selected(every, participants, sessions)
    failed: dict[str, dict[str, Any]] = {}
    if level != "group":
        _begin(dest, every, options)
        _describe(dest, source)
        firsts = [(visit, _first_reference(visit, every, options)) for visit in chosen]
        jobs = [(*pair, source, dest, options) for pair in firsts if not is_done(dest, *pair, options)]
        if len(jobs) < len(chosen):
            logger.info("%d of %d visits are done, continuing with the rest.", len(chosen) - len(jobs), len(chosen))
        remove_stale_temporaries({path.parent for visit, *_ in jobs for path in _places(dest, visit)})
        for record in tqdm(_run(jobs, num_workers), total=len(jobs), desc="prepare", unit="visit"):
            for text in record["Warnings"] if options.checks else ():
                logger.warning("%s: %s", record["participant_id"], text)
            if record["Problem"]:
                failed[record_name(record)] = record
                logger.error("%s: %s", record["participant_id"], record["Problem"])
    # A visit whose process was ended has no record of its own.
    records = {visit.name: failed.get(visit.name) or read_record(dest, visit) for visit in every}
    here = [records[visit.name] for visit in chosen]
    missing = [name for name, record in records.items() if record is None]
    if level == "group" and missing:
        logger.warning("%d visits were not prepared yet: %s", len(missing), ", ".join(missing[:10]))
    if level != "participant" or not missing:  # the last one of an array finds all others done
        there = [record for record in records.values() if record is not None]
        good = [record for record in there if not record["Problem"]]
        if good:
            write_tables(dest, download, good, options, split=split)
            logger.info("Prepared %d visits in %s; look at %s", len(good), dest, write_page(dest, there))
        here = [*there] if level == "group" else here
    bad = [record for record in here if record is not None and record["Problem"]]
    if bad:
        problems = [("left out", f"{record_name(record)}: {record['Problem']}") for record in bad]
        raise DatasetError(f"{source}: these visits were left out, the others are prepared", problems)


def _run(jobs: Sequence[tuple[Any, ...]], num_workers: int | None) -> Iterator[dict[str, Any]]:
    workers = min(num_workers or num_cores(), len(jobs))
    if workers <= 1:
        yield from (prepare_one(*job) for job in jobs)
        return
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(workers, context, end_with_parent, (os.getpid(),)) as pool:
        futures = {pool.submit(prepare_one, *job): job for job in jobs}
        for future in concurrent.futures.as_completed(futures):
            visit, first, *_, options = futures[future]
            try:
                yield future.result()
            except concurrent.futures.process.BrokenProcessPool:
                problem = (
                    "its process was ended from outside, perhaps for lack of memory; start again with fewer workers"
                )
                yield {**about_visit(visit, first, options), "Warnings": [], "Problem": problem}


def prepare_one(visit: Visit, first: Scan | None, source: Path, dest: Path, options: Options) -> dict[str, Any]:
    """Prepare one visit and write its files; return its record, with ``Problem`` if it cannot be prepared."""
    import SimpleITK
    import torch

    # Sums depend on the number of threads; visits are what runs in parallel.
    torch.set_num_threads(1)
    SimpleITK.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    remove_visit(dest, visit)
    try:
        made = prepare_visit(visit, first, options)
        record = write_visit(dest, source, visit, first, made, options)
        record["Volumes"] = _volumes(dest, visit, record) if options.volumes and made.mask is not None else None
        save_picture(picture_path(dest, visit), made.heads_whole, made.mask, visit.name)
    except Exception as error:  # one bad visit must not end the others
        logger.debug("%s", visit.name, exc_info=True)
        text = str(error) or type(error).__name__
        record = {**about_visit(visit, first, options), "Warnings": [], "Problem": text}
    write_record(dest, visit, record)
    return record


def _volumes(dest: Path, visit: Visit, record: dict[str, Any]) -> dict[str, float | None] | None:
    if "T1w" not in record["Contrasts"]:
        return None
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        measured = measure_file(dest / image_file(visit, "T1w"), method=CLASSICAL)
    record["Warnings"] += [
        str(w.message).replace(str(dest) + os.sep, "") for w in caught if "measured" in str(w.message)
    ]
    return {name: None if value != value else round(value, 2) for name, value in zip(VOLUMES, measured, strict=True)}


def _first_reference(visit: Visit, every: Sequence[Visit], options: Options) -> Scan | None:
    """Reference contrast of the person's first visit; None for that visit itself."""
    of_person = [one for one in every if one.participant_id == visit.participant_id]
    first = min(of_person, key=lambda one: natural_order(one.session_id or ""))
    if first is visit or first.name == visit.name:
        return None
    return first.scans[options.reference_of(list(first.scans))]


def _places(dest: Path, visit: Visit) -> list[Path]:
    images = [image_file(visit, contrast) for contrast in visit.scans]
    return [dest / file for file in (*images, mask_file(visit))] + [record_path(dest, visit), picture_path(dest, visit)]


def _only(visit: Visit, contrasts: Sequence[str] | None) -> Visit:
    if contrasts is None:
        return visit
    scans = {name: scan for name, scan in visit.scans.items() if name in contrasts}
    return Visit(visit.participant_id, visit.session_id, scans, visit.masks)


def _begin(dest: Path, every: Sequence[Visit], options: Options) -> None:
    """Record the settings; of several first starts at once one does, and the others must have the same.

    Raises:
        DatasetError: if the folder holds a data set that was not prepared here, was begun with other settings, or
            holds visits of another source alone.
    """
    foreign = [name for name in ("dataset_description.json", "participants.tsv", "sub-*") if any(dest.glob(name))]
    if foreign and not (dest / OWN / "settings.json").is_file():
        what = f"{', '.join(foreign)}; give a new or an empty folder"
        raise DatasetError(dest, [("it holds a data set that was not prepared here", what)])
    now = json.loads(json.dumps(options.of_images()))
    try:
        write_json(dest / OWN / "settings.json", now, exclusive=True)
    except FileExistsError:
        before = read_json(dest / OWN / "settings.json")
        other = [f"{key} {before.get(key)!r} there, {now[key]!r} now" for key in now if before.get(key) != now[key]]
        if other:
            what = f"{', '.join(other)}; give these settings to continue, or another folder"
            raise DatasetError(dest, [("prepared with other settings", what)]) from None
    there = {path.stem for path in (dest / OWN / "records").glob("*.json")}
    gone = sorted(there - {visit.name for visit in every})
    if gone and len(gone) == len(there):
        what = f"{first_names(gone)}; give another folder"
        raise DatasetError(dest, [("it holds visits of another source", what)])
    if gone:
        logger.warning("Prepared before, but no longer in the source, so not in the tables: %s", first_names(gone))


def _describe(dest: Path, source: Path) -> None:
    how = "prepared: reoriented, bias-corrected, registered, brain-extracted, resampled; see the sidecars"
    write_dataset_description(
        dest,
        f"{source.name}, prepared",
        derivative=True,
        generated_by={"Description": how},
        ignore=[OWN],
        sources={"source": source},
    )


def _log_left_out(download: Download) -> None:
    if download.left_out:
        logger.warning("Left out:\n%s", grouped(download.left_out))
