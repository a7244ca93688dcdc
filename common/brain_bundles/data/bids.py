"""BIDS, the only layout on disk: descriptions, file names, segmentations and datalists."""

from __future__ import annotations

import json
import logging
import os
import re
from collections.abc import Mapping, Sequence, Set
from pathlib import Path
from typing import Any
from urllib.parse import quote

from brain_bundles.data.bids_names import BidsName, parse_name
from brain_bundles.data.participants import SPLITS, Row, read_participants
from brain_bundles.data.problems import first_names, raise_problems
from brain_bundles.utils.atomic import atomic_write, write_json
from brain_bundles.version import __version__

logger = logging.getLogger(__name__)
BIDS_VERSION = "1.10.0"
_ANAT = """
T1w T2w PDw FLAIR ce-gadolinium_T1w angio T2starw inplaneT1 inplaneT2 PDT2 UNIT1 T1map T2map T2starmap R1map R2map
R2starmap PDmap MTRmap MTsat M0map Chimap
"""
# Contrast -> folder of a subject; BIDS 1.10, and swi of its extension.
FOLDERS: Mapping[str, str] = {**dict.fromkeys(_ANAT.split(), "anat"), "swi": "swi"}


# Entities of a source that the name of an image made from it keeps.
KEPT_ENTITIES = ("sub", "ses", "acq", "rec", "run", "space")


def image_path(
    dataset_dir: str | os.PathLike[str], participant_id: str, suffix: str, session_id: str | None = None
) -> Path:
    """Path of the image of one contrast, for example ``sub-0001/anat/sub-0001_ce-gadolinium_T1w.nii.gz``.

    Args:
        dataset_dir: BIDS dataset.
        participant_id: such as sub-0001.
        suffix: the contrast, one of :data:`FOLDERS`; entities of BIDS may stand before it, as in ``acq-fast_T2w``.
        session_id: such as ses-02, None without sessions.

    Raises:
        ValueError: for an unknown contrast.
    """
    name = f"{participant_id}_{session_id}" if session_id else participant_id
    return Path(dataset_dir, participant_id, session_id or "", _folder(suffix), f"{name}_{suffix}.nii.gz")


def derived_path(source: BidsName, contrast: str) -> Path:
    """Path of an image of ``contrast`` that a model made from ``source``, relative to its derivative dataset.

    The source's session, ``acq-``, ``rec-``, ``run-`` and ``space-`` are kept; ``desc-synth`` says that nobody scanned
    it: ``sub-01/ses-02/anat/sub-01_ses-02_acq-3D_desc-synth_T2w.nii.gz``.

    Raises:
        ValueError: for an unknown contrast.
    """
    folder, made = _folder(contrast), parse_name(contrast)
    assert made is not None
    entities = {key: label for key, label in source.entities.items() if key in KEPT_ENTITIES}
    name = BidsName({**entities, **made.entities, "desc": "synth"}, made.suffix)
    session = f"ses-{entities['ses']}" if "ses" in entities else ""
    return Path(f"sub-{entities['sub']}", session, folder, str(name))


def segmentation_name(source: BidsName, suffix: str, desc: str | None = None) -> Path:
    """Path of a segmentation of the scan ``source``, relative to its derivative dataset.

    BIDS has no entity for the contrast of what was segmented, and a visit may have several scans: the contrast stands
    at the end of ``acq-``, as in ``sub-01/anat/sub-01_acq-3DT1w_desc-brain_mask.nii.gz``. The source's session,
    ``ce-``, ``rec-``, ``run-`` and ``space-`` are kept.

    Args:
        source: name of the scan.
        suffix: ``mask`` or ``dseg``.
        desc: label of ``desc-``, such as brain.
    """
    entities = {key: label for key, label in source.entities.items() if key in (*KEPT_ENTITIES, "ce")}
    entities["acq"] = f"{entities.get('acq', '')}{source.suffix}"
    if desc is not None:
        entities["desc"] = desc
    session = f"ses-{entities['ses']}" if "ses" in entities else ""
    return Path(f"sub-{entities['sub']}", session, "anat", str(BidsName(entities, suffix)))


def write_label_names(path: str | os.PathLike[str], labels: Mapping[int, str]) -> None:
    """Write the names of the labels of segmentations, BIDS's dseg.tsv."""
    lines = ["index\tname\n", *(f"{index}\t{label}\n" for index, label in sorted(labels.items()))]
    atomic_write(path, "".join(lines))


def _folder(contrast: str) -> str:
    """Folder of a contrast's images in the folder of a participant or session."""
    folder = FOLDERS.get(re.sub(r"^([a-z]+-[A-Za-z0-9]+_)+", "", contrast))
    if folder is None:
        raise ValueError(f"unknown contrast {contrast!r}, known are {', '.join(FOLDERS)}.")
    return folder


def segmentation_path(
    dataset_dir: str | os.PathLike[str], participant_id: str, name: str, session_id: str | None = None
) -> Path:
    """Path of a participant's segmentation in the derivative dataset ``derivatives/<name>``."""
    scan = f"{participant_id}_{session_id}" if session_id else participant_id
    folder = Path(dataset_dir, "derivatives", name, participant_id, session_id or "", "anat")
    return folder / f"{scan}_dseg.nii.gz"


def write_dataset_description(
    dataset_dir: str | os.PathLike[str],
    name: str,
    *,
    derivative: bool = False,
    generated_by: Mapping[str, object] | None = None,
    license: str | None = None,  # noqa: A002  (the key's name in BIDS)
    readme: str | None = None,
    ignore: Sequence[str] = (),
    sources: Mapping[str, str | os.PathLike[str]] | None = None,
) -> None:
    """Write dataset_description.json, README and .bidsignore.

    Args:
        dataset_dir: the dataset's folder, made if missing.
        name: title of the dataset.
        derivative: True for a derivative (DatasetType) of another dataset.
        generated_by: one entry of GeneratedBy; Name and Version default to this package's.
        license: license of the data.
        readme: text of README, by default the title and the software that made the dataset.
        ignore: patterns of files in the dataset that are not BIDS, for .bidsignore.
        sources: name -> folder of each dataset that this one is made from, for SourceDatasets and DatasetLinks. With
            the name, :func:`source_uri` refers to its files.
    """
    folder = Path(dataset_dir)
    by = {"Name": "brain-bundles", "Version": __version__, **(generated_by or {})}
    description: dict[str, object] = {"Name": name, "BIDSVersion": BIDS_VERSION}
    description["DatasetType"] = "derivative" if derivative else "raw"
    if license:
        description["License"] = license
    description["GeneratedBy"] = [by]
    description.update(source_links(folder, sources or {}))
    write_json(folder / "dataset_description.json", description)
    atomic_write(folder / "README", readme or f"{name}\n\nMade by {by['Name']} {by['Version']}.\n")
    # BIDS has no suffix for susceptibility-weighted images yet (BEP 004): validators are told to ignore the folder.
    atomic_write(folder / ".bidsignore", "".join(f"{line}\n" for line in ("swi", *ignore)))


def source_links(
    dataset_dir: str | os.PathLike[str], sources: Mapping[str, str | os.PathLike[str]]
) -> dict[str, object]:
    """Entries SourceDatasets and DatasetLinks of a derivative in ``dataset_dir``, with paths relative to it.

    Args:
        dataset_dir: folder of the derivative.
        sources: name -> folder of each source; its DatasetDOI is taken over.
    """
    if not sources:
        return {}
    here = os.path.realpath(dataset_dir)  # .. leads out of the real folder, not out of a link to it
    links = {
        name: quote(os.path.relpath(os.path.realpath(source), here).replace(os.sep, "/"))
        for name, source in sources.items()
    }
    entries = []
    for name, source in sources.items():
        doi = read_json(Path(source) / "dataset_description.json").get("DatasetDOI")
        entries.append({"URL": links[name], **({"DOI": doi} if isinstance(doi, str) else {})})
    return {"SourceDatasets": entries, "DatasetLinks": links}


def source_uri(path: str | os.PathLike[str], dataset_dir: str | os.PathLike[str], name: str = "source") -> str:
    """BIDS URI of a file in the dataset that DatasetLinks calls ``name``, such as ``bids:source:sub-01/anat/...``."""
    return f"bids:{name}:{quote(os.path.relpath(path, dataset_dir).replace(os.sep, '/'))}"


def read_json(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read a JSON file of a dataset that may be missing or unreadable; then it is empty."""
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def write_segmentation_description(
    dataset_dir: str | os.PathLike[str], name: str, labels: Mapping[int, str], *, title: str | None = None
) -> None:
    """Describe ``derivatives/<name>``: its dataset_description.json and dseg.tsv with the names of ``labels``."""
    folder = Path(dataset_dir) / "derivatives" / name
    write_dataset_description(folder, title or f"{name} segmentation", derivative=True)
    write_label_names(folder / "dseg.tsv", labels)


def select_participants(
    dataset_dir: str | os.PathLike[str],
    split: str | None = None,
    *,
    covariates: Sequence[str] = (),
    required: bool = True,
) -> tuple[list[Row], list[tuple[str, str]]]:
    """Read the rows of participants.tsv in one split, with their problems: unknown splits, or an empty split.

    Args:
        dataset_dir: BIDS dataset.
        split: "train", "val", "test", or None for everyone.
        covariates: columns that are checked and typed.
        required: the table must have these columns.

    Raises:
        FileNotFoundError: if the folder or its participants.tsv is missing.
        ValueError: for an unknown split.
        DatasetError: for a missing column, an impossible value or a malformed or repeated id.
    """
    folder = Path(dataset_dir)
    if split is not None and split not in SPLITS:
        raise ValueError(f"split is {split!r}, allowed are {', '.join(SPLITS)} and None for everyone.")
    if not (folder / "participants.tsv").is_file():
        what = "no participants.tsv in it" if folder.is_dir() else "no such folder"
        raise FileNotFoundError(f"{folder}: {what}; dataset_dir must be a BIDS dataset with a participants.tsv.")
    rows = read_participants(folder, covariates)
    missing = [name for name in covariates if required and rows and name not in rows[0]]
    # A covariate may stand in the tables of sessions instead, such as the age at each visit.
    if missing and any(folder.glob("sub-*/sub-*_sessions.tsv")):
        missing = []
    problems = [("missing column in participants.tsv", name) for name in missing]
    if split is not None and rows and "split" not in rows[0]:
        how = (
            f"split, but split={split!r} is asked for; add it with train, val or test in each row, or draw it: "
            f"brain_bundles.data.write_split({os.fspath(folder)!r}, val=0.1, test=0.1, seed=0)"
        )
        problems.append(("missing column in participants.tsv", how))
    raise_problems(folder, problems)
    _name_strangers(folder, {row["participant_id"] for row in rows})

    problems += [
        ("unknown split", f"{row['participant_id']}: {row['split']!r}, allowed are {', '.join(SPLITS)} and n/a")
        for row in rows
        if split is not None and row["split"] not in (*SPLITS, None)
    ]
    chosen = rows if split is None else [row for row in rows if row["split"] == split]
    if not chosen:
        whom = "participants" if split is None else f"participants with split {split!r} among {len(rows)}"
        problems.append(("empty dataset", f"no {whom} in {folder / 'participants.tsv'}"))
    return chosen, problems


def _name_strangers(folder: Path, known: Set[object]) -> None:
    """Warn of folders of participants that the table does not list."""
    strangers = sorted(path.name for path in folder.glob("sub-*") if path.is_dir() and path.name not in known)
    if strangers:
        logger.warning(
            "%s: left out are %s, which have a folder and no row in participants.tsv; add their rows to use them.",
            folder,
            first_names(strangers),
        )
