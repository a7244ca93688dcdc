"""What a comparison measures on real images: tissues of a T1w and a FLAIR image, and people in folders of any kind."""

from __future__ import annotations

from pathlib import Path

import pytest
from brain_bundles.evaluation.populations import find_people
from brain_bundles.evaluation.populations.image_set import load_images

pytestmark = pytest.mark.real


@pytest.mark.parametrize("folder", ["ms", "stroke"])
def test_tissues_of_one_person_in_two_contrasts(real_data_dir: Path, folder: str):
    people = find_people(real_data_dir / folder, ["T1w", "FLAIR"])
    assert len(people) == 1
    ((t1,), (flair,)) = (load_images(people, contrast).levels for contrast in ("T1w", "FLAIR"))
    assert t1.csf < t1.grey - 0.2 < t1.white - 0.35
    # FLAIR: dark fluid, grey matter at the level of white matter or a little brighter.
    assert flair.csf < min(flair.grey, flair.white) - 0.1
    assert abs(flair.grey - flair.white) < 0.15
    assert 5 < t1.contrast_to_noise < 40  # 6.8 of the noisy scan, stroke


def test_people_of_a_dataset_and_of_a_plain_folder(real_data_dir: Path):
    older = find_people(real_data_dir / "t1_flair" / "derivatives" / "preproc")
    assert len(older) == 15
    assert all(one.age is not None and one.age > 65 and set(one.paths) == {"T1w", "FLAIR"} for one in older)
    patients = find_people(real_data_dir / "brats")
    assert {one.name.split("/")[0] for one in patients} == {"BraTS-MET-99001-000", "BraTS2021_99002"}
    assert all({"T1w", "T2w", "FLAIR", "ce-gadolinium_T1w"} == set(one.paths) for one in patients)
