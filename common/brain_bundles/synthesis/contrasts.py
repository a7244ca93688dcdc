"""Images of a derivative as images of the dataset itself: the contrasts of a brain that nobody scanned are equals."""

from __future__ import annotations

import os
from pathlib import Path

from brain_bundles.data.bids import image_path, read_json
from brain_bundles.runs import RunOutput
from brain_bundles.runs.segmentation_tables import sidecar_path
from brain_bundles.utils.atomic import atomic_write, make_folder, write_json


def place_translations(output: RunOutput, dataset: Path) -> None:
    """Give the translations of a run their names in the dataset of their sources, where training finds them.

    The files of the run stay, so that it can be continued; no content is copied where the file system has hard links.

    Args:
        output: a run whose sources are the images of ``dataset``.
        dataset: BIDS dataset.
    """
    for row in output.rows:
        made, place = output.path(row), image_path(dataset, row["participant_id"], row["target"])
        if made.is_file():
            about = read_json(sidecar_path(made))
            # The source is in the same dataset now.
            about["Sources"] = [uri.replace("bids:source:", "bids::") for uri in about.get("Sources", [])]
            write_json(sidecar_path(place), about)
            _link(made, place)


def _link(path: Path, place: Path) -> None:
    """Give a file a second name, in place of an older file of that name."""
    if place.is_file():
        if place.samefile(path):
            return
        place.unlink()
    make_folder(place.parent)
    try:
        os.link(path, place)
    except OSError:  # a file system without hard links
        atomic_write(place, path.read_bytes())
