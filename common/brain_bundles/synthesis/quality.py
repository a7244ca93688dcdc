"""What participants.tsv says of a generated brain beyond its conditions: measured volumes and a quality flag."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from brain_bundles.data.bids import image_path, read_json, segmentation_name
from brain_bundles.data.bids_names import parse_name
from brain_bundles.data.volumes import VOLUMES
from brain_bundles.evaluation.measurement import CLASSICAL, NETWORK, measure_file
from brain_bundles.metrics.brain_volumes import BrainVolumes
from brain_bundles.runs.segmentation_tables import FLAGS, sidecar_path
from brain_bundles.synthesis.models import SEGMENTED

# A measured volume that is further from what was asked for, by this share and by these millilitres, is flagged. These
# are limits of our choice; both volumes stand in the table for whoever wants others.
LIMITS: Mapping[str, tuple[float, float]] = {"ventricular_volume": (0.3, 5.0), "brain_volume": (0.1, 0.0)}
GOOD, DOUBTFUL = "ok", "check"
COLUMNS: Mapping[str, Mapping[str, object]] = {
    **{
        f"measured_{name}": {"Description": f"{name.replace('_', ' ')}, measured on the image", "Units": "mL"}
        for name in VOLUMES
    },
    "quality": {
        "Description": "whether something about the brain is doubtful",
        "Levels": {GOOD: "nothing was found", DOUBTFUL: "something was found, see quality_reason"},
    },
    "quality_reason": {"Description": "what was found"},
}


def describe_subject(
    dataset: Path, row: Mapping[str, Any], *, suffix: str, targets: list[str], segmented: bool
) -> dict[str, Any]:
    """Measure the brain of one row and look at what was made of it.

    Args:
        dataset: BIDS dataset with the images.
        row: conditions of the brain, with ``participant_id``.
        suffix: contrast of the generator; T1w is measured by the classical method, others by the segmenter.
        targets: other contrasts that the brain should have.
        segmented: the brain should have a segmentation.

    Returns:
        the row with measured volumes (mL, None where they cannot be measured), ``quality`` and ``quality_reason``.
    """
    name = str(row["participant_id"])
    image = image_path(dataset, name, suffix)
    measured = measure_file(image, method=CLASSICAL if suffix == "T1w" else NETWORK)
    reasons = volume_problems(row, measured)
    reasons += [f"no {target}" for target in targets if not image_path(dataset, name, target).is_file()]
    if segmented:
        reasons += segmentation_problems(dataset, image)
    volumes = {f"measured_{key}": _known(getattr(measured, key)) for key in VOLUMES}
    return {
        **row,
        **volumes,
        "quality": DOUBTFUL if reasons else GOOD,
        "quality_reason": "; ".join(reasons) or None,
    }


def volume_problems(row: Mapping[str, Any], measured: BrainVolumes) -> list[str]:
    """Phrases on volumes that could not be measured, or are far from what was asked for."""
    found = []
    for name, (share, least) in LIMITS.items():
        asked, value = row.get(name), getattr(measured, name)
        what = name.replace("_", " ")
        if not math.isfinite(value):
            found.append(f"{what} cannot be measured")
        elif asked is not None and abs(value - float(asked)) > max(share * float(asked), least):
            found.append(f"{what} is {value:.1f} mL of {float(asked):g} asked for")
    return found


def segmentation_problems(dataset: Path, image: Path) -> list[str]:
    """Phrases on a segmentation that is missing or of low quality."""
    name = parse_name(image.name)
    assert name is not None  # image_path names it
    path = dataset / SEGMENTED / segmentation_name(name, "dseg")
    if not path.is_file():
        return ["no head found by the segmenter"]
    flags = read_json(sidecar_path(path)).get(FLAGS, [])
    return [f"low quality of the segmentation: {', '.join(flags)}"] if flags else []


def _known(value: float) -> float | None:
    return round(value, 2) if math.isfinite(value) else None
