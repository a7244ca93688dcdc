"""Folders of DICOM files, converted by dcm2niix (the extra ``dicom``). The first folder names the person."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path

from brain_bundles.prepare.layouts.files import images, walk
from brain_bundles.prepare.scans import Download, Scan, label
from brain_bundles.prepare.spelling import contrast_of, is_contrast

_LOOKED_AT = 200


def matches(root: Path) -> bool:
    """True if one of the first files is DICOM."""
    return any(is_dicom(path) for path, _ in zip(walk(root), range(_LOOKED_AT), strict=False))


def is_dicom(path: Path) -> bool:
    """True for a file with DICOM's mark behind its preamble."""
    try:
        with open(path, "rb") as file:
            return file.read(132)[128:] == b"DICM"
    except OSError:
        return False


def read(root: Path, work_dir: Path) -> Download:
    """Convert every person's folder, once, and take the series whose description or sequence names a contrast.

    Raises:
        ImportError: if dcm2niix is not installed.
    """
    if importlib.util.find_spec("dcm2niix") is None:
        raise ImportError("DICOM files are converted by dcm2niix; install it with: pip install 'brain-bundles[dicom]'")
    download = Download()
    people = sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))
    for folder in people or [root]:
        target = work_dir / label(folder.name)
        if not (target / "done").is_file():
            target.mkdir(parents=True, exist_ok=True)
            command = [
                sys.executable,
                "-m",
                "dcm2niix",
                "-z",
                "y",
                "-b",
                "y",
                "-d",
                "9",
                "-f",
                "%t_%s_%d",
                "-o",
                str(target),
            ]
            run = subprocess.run([*command, str(folder)], capture_output=True, text=True)
            if run.returncode:
                last = (run.stdout + run.stderr).strip().splitlines()[-1:]
                download.left_out.append(("dcm2niix failed", f"{folder}: {' '.join(last)}"))
                continue
            (target / "done").touch()
        _take(folder.name, target, download)
    return download


def _take(person: str, folder: Path, download: Download) -> None:
    """Take the converted series of one person; dates of the examinations number the visits."""
    found = list(images(folder))
    days = sorted({stem[:8] for _, stem in found})
    for path, stem in found:
        sidecar = path.with_name(f"{stem}.json")
        about = json.loads(sidecar.read_text(encoding="utf-8")) if sidecar.is_file() else {}
        contrast = contrast_of_series(about)
        if contrast is None:
            what = about.get("SeriesDescription") or about.get("ProtocolName") or stem
            download.left_out.append(("its description names no contrast", f"{path.name}: {what}"))
            continue
        session = f"ses-{days.index(stem[:8]) + 1}" if len(days) > 1 else None
        rank = {"run": str(about.get("SeriesNumber", 0))}
        download.scans.append(Scan(f"sub-{label(person)}", session, contrast, path, None, rank))


def contrast_of_series(about: dict[str, object]) -> str | None:
    """The contrast that the words of a series' description name, the last one that is known; None without any."""
    for key in ("SeriesDescription", "ProtocolName"):
        words = [word for word in re.split(r"[^A-Za-z0-9]+", str(about.get(key, ""))) if word]
        names = [found[0] for word in words if (found := contrast_of(word)) and not found[1]]
        names = [name for name in names if is_contrast(name)]
        if "FLAIR" in names:
            return "FLAIR"
        if names:
            agent = any(re.fullmatch(r"gd|gad.*|ce|post|km", word, re.IGNORECASE) for word in words)
            return "ce-gadolinium_T1w" if names[-1] == "T1w" and agent else names[-1]
    return None
