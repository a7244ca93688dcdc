"""Progress of a dataset that is being written, so that a later start continues it."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from brain_bundles.data.nifti import is_complete_nifti
from brain_bundles.utils.atomic import remove_stale_temporaries, write_json

PROGRESS = ".unfinished"  # folder in the dataset while it is written; validators of BIDS ignore hidden files
SETTINGS = "settings.json"


class UnfinishedDataset:
    """A dataset that is being written: the settings that it is made with, and the rows of the subjects that are done.

    Both lie in the hidden folder ``.unfinished`` of the dataset until :meth:`finish`. Of several starts at once with
    other settings one begins, and the others are refused.

    Args:
        dataset_dir: new or empty folder, or one that an earlier start with the same settings left unfinished.
        settings: all that the files depend on.

    Raises:
        FileExistsError: if the folder is not empty and not the unfinished work of such a start.
    """

    def __init__(self, dataset_dir: Path, settings: Mapping[str, Any]) -> None:
        self.dataset_dir, self.folder = dataset_dir, dataset_dir / PROGRESS
        self.settings = json.loads(json.dumps(dict(settings), default=str))
        self._refuse_others()
        try:
            write_json(self.folder / SETTINGS, self.settings, exclusive=True)
        except FileExistsError:
            self._refuse_others()  # a start that was faster

    def _refuse_others(self) -> None:
        content = _has_content(self.dataset_dir)  # looked at first: a start writes its settings before the rest
        path = self.folder / SETTINGS
        if not path.is_file():
            if content or self.dataset_dir.is_file():
                refuse_content(self.dataset_dir)
            return
        try:
            there = json.loads(path.read_text(encoding="utf-8"))
            differences = [
                f"{key} {there.get(key)} there, {self.settings.get(key)} now"
                for key in sorted({*there, *self.settings})
                if there.get(key) != self.settings.get(key)
            ]
        except (ValueError, AttributeError) as error:
            differences = [f"{path} is damaged ({error})"]
        if differences:
            raise FileExistsError(
                f"{self.dataset_dir} is not empty: it holds an unfinished dataset with other settings "
                f"({'; '.join(differences)}). Give those settings to continue it, empty it, or give another folder."
            )

    def row(self, participant_id: str) -> dict[str, Any] | None:
        """Row of participants.tsv of a subject that is done, with whole images; None for one that is still to do."""
        path = self._note(participant_id)
        try:
            note = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None
            if note and all(is_complete_nifti(self.dataset_dir / file) for file in note["files"]):
                return dict(note["row"])
        except (ValueError, KeyError, TypeError):
            pass  # damaged: the subject is made again
        remove_stale_temporaries({file.parent for file in self._files(participant_id, ".*.tmp")})
        return None

    def keep(self, row: Mapping[str, Any]) -> None:
        """Note that a subject is done, after its images."""
        name = str(row["participant_id"])
        files = [str(path.relative_to(self.dataset_dir)) for path in self._files(name, "*.nii.gz")]
        write_json(self._note(name), {"files": files, "row": dict(row)})

    def finish(self) -> None:
        """Remove the notes of a dataset that is complete; the settings last, to continue even here."""
        for note in self.folder.glob("*.*"):
            if note.name != SETTINGS:
                note.unlink(missing_ok=True)
        (self.folder / SETTINGS).unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # another start, with the same settings, is still at work
            self.folder.rmdir()

    def _note(self, participant_id: str) -> Path:
        return self.folder / f"{participant_id}.json"

    def _files(self, participant_id: str, pattern: str) -> list[Path]:
        places = [self.dataset_dir, *self.dataset_dir.glob("derivatives/*")]
        return sorted(path for place in places for path in (place / participant_id).rglob(pattern))


def refuse_content(folder: Path) -> None:
    """Raise FileExistsError if ``folder`` is a file or is not empty."""
    if folder.is_file() or _has_content(folder):
        raise FileExistsError(
            f"{folder} is not empty; phantoms are written into a new or empty folder. Empty it, or give another."
        )


def _has_content(folder: Path) -> bool:
    return folder.is_dir() and any(path.name != PROGRESS for path in folder.iterdir())
