"""Inference by its config, with a network that has learned one person by heart; and what it refuses."""

from __future__ import annotations

import brain_bundles
import nibabel as nib
import numpy as np
import pytest
import torch
from brain_bundles.data import DatasetError, image_path, segmentation_path, write_labels, write_nifti
from brain_bundles.data.brain_classes import CLASS_INDEX, class_indices
from brain_bundles.data.read_image import read_image
from brain_bundles.evaluation.measurement import measure_file
from brain_bundles.export import export_bundle
from brain_bundles.phantom import HeadPopulation
from brain_bundles.transforms import NoHeadError
from brain_bundles.transforms.brain_extraction import BrainExtractionError, extract_brain, segmenter_method
from brain_bundles.transforms.scan_segmenter import load_segmenter
from brain_bundles.utils import save_network, with_recipe
from monai.bundle import ConfigParser

from .conftest import TINY, Bundle

# One person and one contrast: some hundred steps of a small network are enough.
ONE = {
    "dataset_dir::num_subjects": 1,
    "dataset_dir::acquisition": "nominal",
    "dataset_dir::random_share": 0.0,
    "dataset_dir::whole_head": True,
}
ONE |= {"contrasts": ["T1w"], "affine_probability": 0.0, "flip_probability": 0.0, "num_held_out": 1}
NETWORK = {"network_def::channels": [8, 16, 32]}
# A minimum_quality of 0.8 lies between the person that the network knows (0.93) and noise or a wrong head (0.48, 0.67).
HEALTHY = {f"dataset_dir::{name}_probability": 0.0 for name in ("tumour", "stroke", "sclerosis")}


@pytest.fixture(scope="module")
def learned(maps, tmp_path_factory) -> Bundle:
    folder = tmp_path_factory.mktemp("learned")
    bundle = Bundle(maps, folder / "models")
    steps = {
        "samples_per_epoch": 150,
        "max_epochs": 2,
        "val_interval": 2,
        "muon_learning_rate": 0.02,
        "ema_decay": 0.95,
    }
    bundle.run("train", folder / "train", **ONE, **NETWORK, **HEALTHY, **steps)
    return bundle


@pytest.fixture(scope="module")
def dataset(maps, tmp_path_factory):
    """BIDS: the person that the network knows, in another orientation, with its labels; and noise."""
    folder = tmp_path_factory.mktemp("bids")
    people = HeadPopulation(
        maps,
        num_subjects=1,
        acquisition="nominal",
        whole_head=True,
        tumour_probability=0.0,
        stroke_probability=0.0,
        sclerosis_probability=0.0,
        spacing=TINY["spacing"],
        spatial_size=TINY["spatial_size"],
    )
    (item,) = people.segmentations(["T1w"], "train")
    image, affine = item["image"].render()
    label, _ = item["label"].render()
    turned = affine @ np.array([[-1.0, 0, 0, 47], [0, 0, 1, 0], [0, 1, 0, 0], [0, 0, 0, 1]])

    def turn(volume: np.ndarray) -> np.ndarray:
        return volume[::-1].swapaxes(1, 2)

    write_nifti(image_path(folder, "sub-01", "T1w"), turn(image / image.max()), turned)
    write_labels(segmentation_path(folder, "sub-01", "freesurfer"), turn(label), turned)
    noise = np.random.default_rng(0).rayleigh(0.1, (40, 40, 40)).clip(0, 1)
    write_nifti(image_path(folder, "sub-02", "FLAIR"), noise, np.diag([5.0, 5, 5, 1]))
    return folder


@pytest.fixture(scope="module")
def segmented(learned, dataset, tmp_path_factory):
    """Output of a run in which one scan is refused."""
    folder = tmp_path_factory.mktemp("out") / "segmented"
    with pytest.raises(RuntimeError) as error:
        learned.run("inference", folder, dataset_dir=str(dataset), minimum_quality=0.8, **NETWORK)
    return folder, error.value


def cause(error: BaseException) -> BaseException:
    while error.__cause__ is not None:
        error = error.__cause__
    return error


def test_a_known_person_is_segmented_in_the_scan_s_own_space(segmented, dataset):
    folder, _ = segmented
    found = nib.load(folder / "sub-01" / "anat" / "sub-01_acq-T1w_dseg.nii.gz")
    true = nib.load(segmentation_path(dataset, "sub-01", "freesurfer"))
    np.testing.assert_allclose(found.affine, true.affine, atol=1e-4)
    own, other = (class_indices(np.asarray(one.dataobj)) for one in (found, true))

    def dice(one: np.ndarray, two: np.ndarray) -> float:
        return 2 * (one & two).sum() / (one.sum() + two.sum())

    assert dice(own > 0, other > 0) > 0.95
    for name in ("white_matter", "cortex", "lateral_ventricle"):
        assert dice(own == CLASS_INDEX[name], other == CLASS_INDEX[name]) > 0.75, name
    assert dice(np.asarray(found.dataobj) == 41, np.asarray(true.dataobj) == 41) > 0.7  # the right side
    assert (folder / "logs" / "preview.png").is_file()
    table = (folder / "volumes.tsv").read_text().splitlines()
    assert len(table) == 2


def test_noise_is_named_and_not_segmented(segmented):
    folder, error = segmented
    assert isinstance(cause(error), DatasetError)
    assert "no head found (1)" in str(cause(error))
    assert "sub-02_FLAIR.nii.gz" in str(cause(error))
    assert "the others are segmented" in str(cause(error))
    assert not list((folder / "sub-02").rglob("*.nii.gz"))


def test_measuring_and_brain_extraction_call_the_network_by_its_weights(learned, segmented, dataset):
    weights, scan = learned.ckpt_dir / "model.pt", image_path(dataset, "sub-01", "T1w")
    line = dict(zip(*(row.split("\t") for row in (segmented[0] / "volumes.tsv").read_text().splitlines()), strict=True))
    measured = measure_file(scan, method="network", segmenter=weights)
    assert measured.ventricular_volume == pytest.approx(float(line["ventricular_volume"]), rel=0.02)
    assert measured.brain_volume == pytest.approx(float(line["brain_volume"]), rel=0.02)
    image, network = read_image(scan), load_segmenter(weights)
    assert load_segmenter(str(weights)) is network
    mask = segmenter_method(weights).run(image.voxels, image.affine)
    written = np.asarray(nib.load(segmented[0] / "sub-01" / "anat" / "sub-01_acq-T1w_desc-brain_mask.nii.gz").dataobj)
    assert (mask == (written > 0)).mean() > 0.999
    noise = read_image(image_path(dataset, "sub-02", "FLAIR"))
    with pytest.raises(BrainExtractionError, match="the segmenter found no head"):
        extract_brain(noise.voxels, noise.affine, "FLAIR", segmenter=weights)
    with pytest.warns(UserWarning, match="cannot be measured"):
        assert np.isnan(measure_file(image_path(dataset, "sub-02", "FLAIR"), method="network", segmenter=weights)).all()


def test_only_weights_of_a_segmenter_are_taken(tmp_path):
    save_network(with_recipe(torch.nn.Linear(1, 1), {"spacing": 2.0}), tmp_path / "other.pt")
    with pytest.raises(ValueError, match="holds no UNet of brain_mri_segmenter"):
        load_segmenter(tmp_path / "other.pt")
    with pytest.raises(FileNotFoundError, match="does not exist"):
        load_segmenter(tmp_path / "none.pt")


def test_a_derivative_is_valid_bids(segmented, bids_errors):
    assert bids_errors(segmented[0]) == []


def test_files_alone_are_segmented_beside_their_names(learned, dataset, tmp_path):
    scan = image_path(dataset, "sub-01", "T1w")
    workflow = learned.run("inference", tmp_path / "out", input=str(scan), minimum_quality=0.5, flip=True, **NETWORK)
    assert workflow.parser.get_parsed_content("inputs").problems == []
    assert sorted(path.name for path in (tmp_path / "out").glob("*.nii.gz")) == [
        "sub-01_T1w_desc-brain_mask.nii.gz",
        "sub-01_T1w_dseg.nii.gz",
    ]
    assert (tmp_path / "out" / "volumes.tsv").is_file()


def test_it_is_called_from_python(learned, dataset, segmented, tmp_path):
    options = learned.overrides("inference", tmp_path, minimum_quality=0.8, **NETWORK)
    del options["output_dir"]
    segmenter = brain_bundles.load(learned.root, **options)
    found = segmenter.segment(image_path(dataset, "sub-01", "T1w"))
    command = nib.load(segmented[0] / "sub-01" / "anat" / "sub-01_acq-T1w_dseg.nii.gz")
    assert np.array_equal(found.structures[0].numpy(), np.asarray(command.dataobj))
    assert np.allclose(found.structures.affine, command.affine)
    assert np.array_equal(found.brain_mask[0].numpy() > 0, found.structures[0].numpy() > 0)
    assert 500 < found.volumes["brain_volume"] < found.volumes["intracranial_volume"] < 2600
    assert found.quality["quality"] > 0.8
    with pytest.raises(DatasetError, match=r"(?s)no head found.*sub-02_FLAIR"):
        segmenter.segment(image_path(dataset, "sub-02", "FLAIR"))


def test_a_head_upside_down_in_its_header_is_refused(learned, dataset, tmp_path):
    scan = nib.load(image_path(dataset, "sub-01", "T1w"))
    wrong = tmp_path / "wrong_T1w.nii.gz"
    nib.save(nib.Nifti1Image(np.asarray(scan.dataobj), np.diag([1.0, 1, -1, 1]) @ scan.affine), wrong)
    with pytest.raises(RuntimeError) as error:
        learned.run("inference", tmp_path / "out", input=str(wrong), minimum_quality=0.8, **NETWORK)
    assert "no head found (1)" in str(cause(error.value))
    assert str(wrong) in str(cause(error.value))


def test_a_workflow_has_every_property(learned, dataset, tmp_path):
    workflow = learned.workflow("inference", tmp_path / "out", dataset_dir=str(dataset), **NETWORK)
    workflow.initialize()
    assert workflow.check_properties() == []


def test_another_scale_than_that_of_the_weights_is_refused(learned, dataset, tmp_path):
    options = {"dataset_dir": str(dataset), "intensity_scale": "median", **NETWORK}
    with pytest.raises(RuntimeError) as error:
        learned.run("inference", tmp_path / "out", **options)
    assert "intensity_scale is head_median in the weights and median here" in str(cause(error.value))


def test_the_command_exits_with_an_error_and_names_the_file(learned, dataset, tmp_path):
    command = learned.command("inference", tmp_path / "out", dataset_dir=str(dataset), minimum_quality=0.8, **NETWORK)
    process = learned.start(command, tmp_path)
    log = process.communicate(timeout=300)[0]
    assert process.returncode != 0
    assert "sub-02_FLAIR.nii.gz" in log.splitlines()[-1] or "sub-02_FLAIR.nii.gz" in log
    assert (tmp_path / "out" / "sub-01" / "anat" / "sub-01_acq-T1w_dseg.nii.gz").is_file()


@pytest.mark.long
@pytest.mark.distributed
def test_two_processes_share_the_scans(learned, dataset, tmp_path):
    single, double = tmp_path / "single", tmp_path / "double"
    options = {"dataset_dir": str(dataset), "participant_label": "01", "minimum_quality": 0.8, **NETWORK}
    learned.run("inference", single, **options)
    learned.run_in_two_processes("inference", double, "multi_gpu_inference", **options)
    names = sorted(path.relative_to(single) for path in single.rglob("*.nii.gz"))
    assert len(names) == 2
    for name in names:
        assert (single / name).read_bytes() == (double / name).read_bytes()


def test_the_evaluation_scores_the_labels_of_a_dataset(learned, dataset, tmp_path):
    options = {"metrics_dir": str(tmp_path / "metrics"), "split": None, "minimum_quality": 0.8}
    workflow = learned.run(
        "inference", tmp_path / "out", "evaluate", dataset_dir=str(dataset), contrasts=["T1w"], **options, **NETWORK
    )
    report = workflow.parser.get_parsed_content("evaluation")
    assert report["num_scans"] == 1
    assert report["structures"]["brain_mask"]["dice"] > 0.95
    assert report["sides"] > 0.9


def test_the_evaluation_on_people_of_the_test_maps(learned, maps, tmp_path):
    options = {"metrics_dir": str(tmp_path / "metrics"), "anatomies": str(maps), "num_held_out": 2}
    options |= {"cache_dir": str(tmp_path / "cache"), "minimum_quality": 0.0}
    learned.run("inference", tmp_path / "out", "evaluate", **options, **NETWORK)
    assert "2 scans" in (tmp_path / "metrics" / "metrics.md").read_text()


def test_the_network_is_exported(learned, tmp_path):
    """To TorchScript, by a trace and by a script, with the weights that the bundle wrote."""
    parser = ConfigParser()
    parser.read_config(learned.files("inference"))
    parser["network_def"]["channels"], parser["network_def"]["strides"] = [8, 16, 32], [2, 2]
    network = parser.get_parsed_content("network_def").eval()
    weights = torch.load(learned.ckpt_dir / "model.pt", weights_only=True)
    network.load_state_dict({name: value for name, value in weights.items() if not name.startswith("recipe")})
    x = torch.rand(1, 1, 16, 16, 16, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        traced = torch.jit.trace(network, x, check_trace=False)
        torch.testing.assert_close(traced(x), network(x), atol=1e-5, rtol=1e-4)
    scripted = torch.jit.script(network)
    torch.jit.save(scripted, tmp_path / "model.ts")
    with torch.inference_mode():
        torch.testing.assert_close(torch.jit.load(tmp_path / "model.ts")(x), network(x), atol=1e-5, rtol=1e-4)


def test_an_exported_file_between_the_transforms_gives_the_run(learned, dataset, segmented, tmp_path):
    options = learned.overrides("inference", tmp_path, minimum_quality=0.8, **NETWORK)
    for key in ("output_dir", "precision", "device"):
        del options[key]
    bundle = brain_bundles.load(learned.root, **options)
    export_bundle(bundle, tmp_path / "segmenter.ts")
    before, after = bundle.transforms()
    item = before({"image": str(image_path(dataset, "sub-01", "T1w"))})
    with torch.inference_mode():
        (probabilities,) = torch.jit.load(tmp_path / "segmenter.ts")(item["image"].as_tensor()[None])
    made = after({**item, "pred": probabilities})
    folder = segmented[0] / "sub-01" / "anat"
    for key, name in (("pred", "sub-01_acq-T1w_dseg.nii.gz"), ("mask", "sub-01_acq-T1w_desc-brain_mask.nii.gz")):
        written = nib.load(folder / name)
        np.testing.assert_array_equal(made[key][0].numpy(), np.asarray(written.dataobj))
        np.testing.assert_allclose(made[key].affine, written.affine, atol=1e-4)
    noise = before({"image": str(image_path(dataset, "sub-02", "FLAIR"))})
    with torch.inference_mode():
        (probabilities,) = torch.jit.load(tmp_path / "segmenter.ts")(noise["image"].as_tensor()[None])
    with pytest.raises(RuntimeError) as error:
        after({**noise, "pred": probabilities})
    assert isinstance(cause(error.value), NoHeadError)
