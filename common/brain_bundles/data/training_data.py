"""What a network was trained on and by which command, for the recipe in its weights."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from brain_bundles.data.rendered import RenderedDataset
from brain_bundles.utils.config_overrides import given_overrides
from brain_bundles.version import __version__

# Options that name places on one machine, which say nothing to others.
_PLACES = re.compile(r"(^|_)(dir|root|path|file|weights)$")


class TrainingData:
    """Description of a training's data, made when it is called: the datalist of a config is made late.

    Args:
        dataset_dir: BIDS dataset, or a population that is rendered.
        datalist: items of the training, with ``participant_id``.
        contrasts: contrasts of the images.
    """

    def __init__(
        self,
        dataset_dir: str | os.PathLike[str] | RenderedDataset,
        datalist: Sequence[Mapping[str, Any]],
        contrasts: str | Sequence[str],
    ) -> None:
        self.dataset_dir, self.datalist = dataset_dir, datalist
        self.contrasts = [contrasts] if isinstance(contrasts, str) else list(contrasts)

    def __call__(self) -> dict[str, Any]:
        """Describe the training: ``data`` in words, number of ``subjects``, ``contrasts``, ``command``, ``version``.

        The command has the names of the configs and the options that changed them, without paths. It is None for a
        training that was started from Python.
        """
        if isinstance(self.dataset_dir, RenderedDataset):
            subjects = len(self.dataset_dir.items(self.contrasts, "train"))  # they are not made to be counted
        else:
            subjects = len({str(item["participant_id"]) for item in self.datalist})
        return {
            "data": f"{subjects} subjects of {self._title()}",
            "subjects": subjects,
            "contrasts": self.contrasts,
            "command": _command(given_overrides()),
            "version": __version__,
        }

    def _title(self) -> str:
        """Name of the dataset and how it was made, by its description."""
        if isinstance(self.dataset_dir, RenderedDataset):
            return str(self.dataset_dir)
        file = Path(os.fspath(self.dataset_dir)) / "dataset_description.json"
        try:
            description = json.loads(file.read_text(encoding="utf-8"))
            name = str(description.get("Name") or "a data set without a name")
            made = [entry.get("Description") for entry in description.get("GeneratedBy", [])]
        except (OSError, ValueError, AttributeError, TypeError):
            return "a data set without a readable description"
        return f"{name!r}" + "".join(f" ({text})" for text in made if text)


def _command(overrides: Mapping[str, str | None] | None) -> dict[str, str | None] | None:
    if overrides is None:
        return None
    configs = re.findall(r"[^'\"/\\\[\], ]+\.(?:json|ya?ml)", overrides.get("config_file") or "")
    kept = {
        key: value
        for key, value in overrides.items()
        if not _PLACES.search(key) and key != "resume" and not Path(value or ".").is_absolute()
    }
    return {"config_file": ", ".join(configs), **kept}
