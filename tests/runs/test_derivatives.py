"""What is written from a dataset conforms to BIDS, and pybids keeps it apart from the scans."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import nibabel as nib
import numpy as np
import pytest
import torch
from brain_bundles.data import DatasetError, write_dataset_description, write_nifti, write_participants
from brain_bundles.handlers import TranslationSaver
from brain_bundles.runs import RunOutput, translation_inputs
from brain_bundles.transforms import image_preprocessing, translation_postprocessing

SIZE = (8, 8, 8)
CONTRASTS = ["T1w", "T2w", "FLAIR", "ce-gadolinium_T1w"]
IMAGES = [
    "sub-1/anat/sub-1_acq-3D_T1w",
    "sub-1/anat/sub-1_run-1_T2w",
    "sub-2/ses-1/anat/sub-2_ses-1_T1w",
    "sub-2/ses-2/anat/sub-2_ses-2_T1w",
    "sub-2/ses-2/anat/sub-2_ses-2_FLAIR",
]


def write(folder: Path, images: list[str], **description: Any) -> Path:
    rng = np.random.default_rng(0)
    write_dataset_description(folder, "Scans", license="CC0", generated_by={"Description": "test"}, **description)
    rows = [{"participant_id": name} for name in dict.fromkeys(image.split("/")[0] for image in images)]
    write_participants(folder, rows)
    for image in images:
        write_nifti(folder / f"{image}.nii.gz", rng.random(SIZE), np.diag([2.0, 2, 2, 1]))
    return folder


def complete(folder: Path, output_dir: Path) -> RunOutput:
    """Write every missing contrast, with its standard deviation, as the translators do."""
    inputs = translation_inputs(folder, source=None, target="missing", contrasts=CONTRASTS)
    assert inputs.problems == []
    output = RunOutput(output_dir, inputs.items, settings={}, bids=True, source_dir=inputs.dataset_dir)
    preprocessing = image_preprocessing(
        "image", 2.0, SIZE, intensity_scale="percentiles", intensity_percentiles=(0, 100)
    )
    saver = TranslationSaver(output, translation_postprocessing(preprocessing))
    for item in output.pending():
        loaded = preprocessing(item)
        volumes = torch.rand(2 * len(item["files"]), *SIZE, generator=torch.Generator().manual_seed(0))
        saver.save(loaded, volumes)
    output.finish()
    return output


@pytest.fixture
def completed(tmp_path: Path) -> Path:
    folder = write(tmp_path / "my scans", IMAGES)
    complete(folder, folder / "derivatives" / "brain-bundles")
    return folder


def test_the_validator_agrees_with_the_dataset_and_its_derivative(completed, bids_errors):
    derivative = completed / "derivatives" / "brain-bundles"
    assert bids_errors(completed, "--recursive") == []
    assert bids_errors(derivative) == []
    (derivative / "sub-1" / "anat" / "sub-1_T3w.nii.gz").write_bytes(b"x")
    assert any(error.startswith("NOT_INCLUDED /derivatives/") for error in bids_errors(completed, "--recursive"))


def test_the_sources_of_every_image_resolve(completed):
    derivative = completed / "derivatives" / "brain-bundles"
    links = json.loads((derivative / "dataset_description.json").read_text())["DatasetLinks"]
    images = [path for path in derivative.rglob("*.nii.gz") if "desc-std" not in path.name]
    assert len(images) == 2 + 3 + 2
    for image in images:
        sidecar = json.loads(image.with_name(image.name.replace(".nii.gz", ".json")).read_text())
        (uri,) = sidecar["Sources"]
        scheme, name, relative = uri.split(":")
        source = (derivative / unquote(links[name]) / unquote(relative)).resolve()
        assert scheme == "bids"
        assert source.is_file()
        assert source.name.split("_")[0] == image.name.split("_")[0]
        assert nib.load(source).shape == nib.load(image).shape


def test_pybids_mixes_nothing_up(completed):
    bids = pytest.importorskip("bids")
    layout = bids.BIDSLayout(completed, derivatives=completed / "derivatives" / "brain-bundles")
    scans = {str(completed / f"{image}.nii.gz") for image in IMAGES if image.endswith("T1w")}
    found = {file.path: file for file in layout.get(suffix="T1w", extension=".nii.gz")}
    assert scans <= found.keys()
    for path, file in found.items():  # no name can be taken for that of a scan
        assert (path in scans) == (file.entities.get("desc") is None)
    options = {"suffix": "T1w", "extension": ".nii.gz", "return_type": "filename"}
    assert set(layout.get(**options, scope="raw")) == scans
    assert set(layout.get(**options, desc=bids.layout.Query.NONE)) == scans
    made = layout.get(**options, desc="synth", session="2")
    assert [Path(path).name for path in made] == ["sub-2_ses-2_ce-gadolinium_desc-synth_T1w.nii.gz"]
    assert layout.get(suffix="FLAIR", subject="2", session="2", desc="synth", extension=".nii.gz") == []


def test_a_derivative_in_a_template_says_where_it_lies(tmp_path, bids_errors: Callable[..., list[str]]):
    names = ["sub-1/anat/sub-1_space-study_desc-preproc_T1w", "sub-2/anat/sub-2_space-study_desc-preproc_T1w"]
    folder = write(tmp_path / "preproc", names, derivative=True)
    (folder / f"{names[0]}.json").write_text('{"SpatialReference": "bids::tpl-study_T1w.nii.gz"}')
    output = complete(folder, tmp_path / "out")
    assert bids_errors(tmp_path / "out") == []
    said = []
    for item in output.items:
        sidecar = output.paths(item)[0].name.replace(".nii.gz", ".json")
        said.append(json.loads((tmp_path / "out" / item["participant_id"] / "anat" / sidecar).read_text()))
    assert [entry["SpatialReference"] for entry in said] == [
        "bids:source:tpl-study_T1w.nii.gz",
        f"bids:source:{names[1]}.nii.gz",
    ]


def test_two_images_of_one_contrast_never_share_a_result(tmp_path):
    """A result has no place for the ``desc-`` and ``echo-`` of its source: the second goes into another folder."""
    stem = "sub-1/anat/sub-1_space-study_desc"
    folder = write(tmp_path / "preproc", [f"{stem}-preproc_T1w", f"{stem}-denoised_T1w"], derivative=True)

    def translate(desc: str, output_dir: Path) -> list[Path]:
        inputs = translation_inputs(folder, source="T1w", target="T2w", entities={"desc": desc})
        output = RunOutput(output_dir, inputs.items, settings={}, source_dir=inputs.dataset_dir)
        output.prepare()
        return [output.path(row) for row in output.rows]

    (first,) = translate("preproc", tmp_path / "out")
    assert first.name == "sub-1_space-study_desc-synth_T2w.nii.gz"
    assert translate("preproc", tmp_path / "out") == [first]
    with pytest.raises(DatasetError, match=f"{first.name}: source_sha256 .* there, .* now") as error:
        translate("denoised", tmp_path / "out")
    assert "give another output_dir" in str(error.value)
    assert translate("denoised", tmp_path / "other")[0].name == first.name
