"""Translations come back to the grid of their source file, in any orientation, and are whole or absent."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
from brain_bundles.handlers import TranslationSaver
from brain_bundles.runs import RunOutput, translation_inputs, write_translation_preview
from brain_bundles.transforms import image_preprocessing, translation_postprocessing
from brain_bundles.transforms.monotone_curve import MonotoneCurve
from monai.data import DataLoader, Dataset
from monai.engines import IterationEvents, SupervisedEvaluator
from nibabel.affines import apply_affine, from_matvec
from nibabel.eulerangles import euler2mat

SIZE, SPACING = (44, 52, 44), 2.0
CENTRE = np.array([10.0, -6.0, 14.0])
PREPROCESSING = image_preprocessing(
    "image", SPACING, SIZE, intensity_scale="percentiles", intensity_percentiles=(0, 100)
)


def brain(world: np.ndarray) -> np.ndarray:
    """Brightness at world positions (mm): a smooth ellipsoid of 32 x 40 x 32 mm half-axes, brighter to the right."""
    r = np.linalg.norm((world - CENTRE) / [32, 40, 32], axis=-1)
    return np.where(r < 1, (500 + 4 * (world - CENTRE)[..., 0]) * np.cos(r * np.pi / 2) ** 2, 0)


# Odd sizes: all need cropping or padding to the model's grid.
GRIDS = {
    "RAS": (np.diag([2.0, 2.0, 2.0]), (51, 57, 43)),
    "LPS": (np.diag([-2.0, -2.0, 2.0]), (51, 57, 43)),
    "PIR": (np.array([[0, 0, 2.0], [-2, 0, 0], [0, -2, 0]]), (57, 39, 51)),
    "oblique on the spacing": (euler2mat(0.2, -0.1, 0.15) @ np.diag([-2.0, 2.0, 2.0]), (51, 59, 47)),
    "anisotropic": (np.diag([-1.0, 1.5, 3.0]), (95, 71, 31)),
    "anisotropic and oblique": (euler2mat(0.2, -0.1, 0.15) @ np.diag([1.5, -1.0, 2.5]), (61, 105, 37)),
}


def save(path: Path, name: str, trailing: bool = False) -> Path:
    matrix, shape = GRIDS[name]
    affine = from_matvec(matrix, CENTRE + np.array([3.0, 2.0, -4.0]) - matrix @ ((np.array(shape) - 1) / 2))
    grid = np.stack(np.meshgrid(*(np.arange(n) for n in shape), indexing="ij"), axis=-1)
    data = brain(apply_affine(affine, grid)).astype(np.float32)
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(data[..., None] if trailing else data, affine), path)
    return path


def output_of(folder: Path, target: str | list[str] = "T2w", source: str = "T1w", **where) -> RunOutput:
    inputs = translation_inputs(**where, source=source, target=target, seed=4)
    return RunOutput(
        folder, inputs.items, settings={"steps": 1}, suffix="T2w", bids=inputs.bids, source_dir=inputs.dataset_dir
    )


def run(output: RunOutput, model=lambda image: {"pred": image}, batch_size: int = 2, decollate: bool = True, **options):
    """Run an evaluator that applies ``model`` to the preprocessed images; return the participants it saw."""
    seen = []

    def translate(engine, batch):
        seen.extend(batch["participant_id"])
        image = batch["image"].as_tensor() if hasattr(batch["image"], "as_tensor") else batch["image"]
        engine.state.output = model(image.clone())
        engine.fire_event(IterationEvents.MODEL_COMPLETED)  # where MONAI decollates
        return engine.state.output

    options = {"sidecar": {"ModelHash": "ab12"}, **options}
    SupervisedEvaluator(
        device=torch.device("cpu"),
        val_data_loader=DataLoader(Dataset(output.pending(batch_size), PREPROCESSING), batch_size=batch_size),
        network=torch.nn.Identity(),
        iteration_update=translate,
        val_handlers=[TranslationSaver(output, translation_postprocessing(PREPROCESSING), **options)],
        decollate=decollate,
    ).run()
    return seen


@pytest.mark.parametrize("name", GRIDS)
def test_the_identity_gives_the_scaled_source_on_its_own_grid(tmp_path, name):
    source = nib.load(save(tmp_path / "a.nii.gz", name))
    output = output_of(tmp_path / "out", input=tmp_path / "a.nii.gz")
    assert run(output) == ["a"]
    made = nib.load(tmp_path / "out" / "a_T2w.nii.gz")
    assert made.shape == source.shape
    np.testing.assert_array_equal(made.affine, source.affine)
    values = source.get_fdata()
    low, high = values[values > 0].min(), values.max()
    expected = np.where(values > 0, (values - low) / (high - low), 0)
    if "anisotropic" in name:  # linear interpolation there and back of a brain of 16 voxels' radius
        inside = expected > 0.05
        assert np.abs(made.get_fdata() - expected)[inside].max() < 0.05
        assert np.corrcoef(made.get_fdata()[inside], expected[inside])[0, 1] > 0.998
    else:
        np.testing.assert_allclose(made.get_fdata(), expected, atol=4e-5)  # int16: 3.1e-5


def test_outside_of_the_model_s_grid_is_nothing(tmp_path):
    source = nib.load(save(tmp_path / "a.nii.gz", "RAS"))
    noise = np.random.default_rng(0).uniform(30, 31, source.shape)
    data = source.get_fdata() + noise  # no background of one value: a model's background stays then
    data[tuple(n // 2 for n in data.shape)] = 1  # the darkest voxel becomes 0; here it is a hole and no background
    nib.save(nib.Nifti1Image(data.astype(np.float32), source.affine), tmp_path / "a.nii.gz")
    run(output_of(tmp_path / "out", input=tmp_path / "a.nii.gz"), lambda image: {"pred": torch.ones_like(image)})
    made = nib.load(tmp_path / "out" / "a_T2w.nii.gz").get_fdata()
    # Positions of the source's voxels on the model's grid, which is smaller than the file.
    model = PREPROCESSING({"image": str(tmp_path / "a.nii.gz")})["image"].affine.numpy()
    grid = np.stack(np.meshgrid(*(np.arange(n) for n in source.shape), indexing="ij"), axis=-1)
    place = apply_affine(np.linalg.inv(model) @ source.affine, grid).round(3)
    inside = ((place >= 0) & (place <= np.array(SIZE) - 1)).all(-1)
    assert 0.5 < inside.mean() < 0.9
    np.testing.assert_array_equal(made, inside)


@pytest.mark.parametrize("name", ["LPS", "oblique on the spacing", "anisotropic and oblique"])
def test_the_background_of_a_translation_is_exactly_0(tmp_path, name):
    source = nib.load(save(tmp_path / "a.nii.gz", name)).get_fdata()
    run(output_of(tmp_path / "out", input=tmp_path / "a.nii.gz"), lambda image: {"pred": torch.ones_like(image)})
    made = nib.load(tmp_path / "out" / "a_T2w.nii.gz").get_fdata()
    if "anisotropic" in name:  # the brain's edge comes back to within a voxel of the model
        assert (made[source > 60] == 1).all()
        assert 0.9 < (made > 0).sum() / (source > 0).sum() < 1.15
    else:
        np.testing.assert_array_equal(made > 0, source > source[source > 0].min())


def test_a_fourth_axis_of_length_one_is_left_away(tmp_path):
    shape = nib.load(save(tmp_path / "a.nii.gz", "LPS", trailing=True)).shape
    run(output_of(tmp_path / "out", input=tmp_path / "a.nii.gz"))
    assert nib.load(tmp_path / "out" / "a_T2w.nii.gz").shape == shape[:3]


def overshooting(image: torch.Tensor) -> dict[str, torch.Tensor]:
    return {"pred": torch.cat([1.5 * image - 0.2, 0.1 * (image > 0)], dim=1)}


@pytest.fixture
def dataset(tmp_path) -> Path:
    for number, name in enumerate(("LPS", "anisotropic and oblique", "PIR"), start=1):
        save(tmp_path / "in" / f"sub-{number}" / "anat" / f"sub-{number}_T1w.nii.gz", name)
    return tmp_path / "in"


def test_a_dataset_of_different_grids_becomes_a_derivative(tmp_path, dataset, bids_errors):
    output = output_of(tmp_path / "out", dataset_dir=dataset)
    assert run(output, overshooting) == ["sub-1", "sub-2", "sub-3"]
    for row in output.rows:
        source, made = nib.load(row["image"]), nib.load(output.path(row))
        spread = nib.load(output.path(row).with_name(f"{row['participant_id']}_desc-std_T2w.nii.gz"))
        assert made.shape == spread.shape == source.shape
        np.testing.assert_array_equal(made.affine, source.affine)
        np.testing.assert_array_equal(spread.affine, source.affine)
        assert (made.get_fdata().min(), made.get_fdata().max()) == (0, 1)
        assert spread.get_fdata().max() == pytest.approx(0.1, abs=1e-4)
    row = output.rows[1]
    sidecar = json.loads((tmp_path / "out/sub-2/anat/sub-2_desc-synth_T2w.json").read_text())
    assert sidecar["Sources"] == ["bids:source:sub-2/anat/sub-2_T1w.nii.gz"]
    assert (sidecar["SourceContrast"], sidecar["TargetContrast"]) == ("T1w", "T2w")
    assert (sidecar["SourceHash"], sidecar["Seed"]) == (row["source_sha256"], row["seed"])
    assert sidecar["ModelHash"] == "ab12"
    assert sidecar["Description"] == "T2w volume, synthesised from T1w; not acquired"
    assert "standard deviation over several draws" in (tmp_path / "out/sub-2/anat/sub-2_desc-std_T2w.json").read_text()
    write_translation_preview(output)
    assert bids_errors(tmp_path / "out") == []


def test_files_have_their_standard_deviation_and_sidecar_beside_them(tmp_path):
    save(tmp_path / "a_T1w.nii.gz", "RAS")
    run(output_of(tmp_path / "out", input=tmp_path / "a_T1w.nii.gz"), overshooting)
    stems = ("a_T1w_T2w", "a_T1w_T2w_std")
    expected = {"run.json", *(f"{stem}{end}" for stem in stems for end in (".nii.gz", ".json"))}
    assert {path.name for path in (tmp_path / "out").iterdir()} == expected
    assert json.loads((tmp_path / "out/a_T1w_T2w.json").read_text())["Sources"] == ["a_T1w.nii.gz"]


def test_finished_files_stay_and_damaged_ones_are_made_again(tmp_path, dataset):
    output = output_of(tmp_path / "out", dataset_dir=dataset)
    run(output, overshooting)
    files = {path: path.read_bytes() for path in (tmp_path / "out").rglob("*.*") if path.is_file()}
    kept, damaged, gone = (output.path(f"sub-{number}") for number in (1, 2, 3))
    stamp = kept.stat().st_mtime_ns
    damaged.write_bytes(files[damaged][:-20])
    gone.unlink()
    again = output_of(tmp_path / "out", dataset_dir=dataset)
    assert run(again, overshooting) == ["sub-1", "sub-2", "sub-3"]  # the batch of 1 and 2, and that of 3
    assert {path: path.read_bytes() for path in files} == files
    assert kept.stat().st_mtime_ns == stamp
    assert again.pending(2) == []


def test_batches_change_no_byte(tmp_path, dataset):
    one, two = (output_of(tmp_path / name, dataset_dir=dataset) for name in ("one", "two"))
    run(one, overshooting, batch_size=1)
    run(two, overshooting, batch_size=2)
    for row in one.rows:
        assert one.path(row).read_bytes() == two.path(row).read_bytes()


def test_the_channels_of_an_item_are_its_targets_in_order(tmp_path, dataset, bids_errors):
    """Three targets, and their standard deviations after them."""
    names = ["T2w", "FLAIR", "PDw"]
    output = output_of(tmp_path / "out", names, dataset_dir=dataset)
    scales = torch.tensor([0.2, 0.4, 0.8, 0.01, 0.02, 0.04]).reshape(1, -1, 1, 1, 1)
    assert run(output, lambda image: {"pred": scales * (image > 0)}, batch_size=1) == ["sub-1", "sub-2", "sub-3"]
    for row in output.rows:
        path = output.path(row)
        scale = (0.2, 0.4, 0.8)[names.index(row["target"])]
        spread = path.with_name(f"{row['participant_id']}_desc-std_{row['target']}.nii.gz")
        assert nib.load(path).get_fdata().max() == pytest.approx(scale, abs=1e-4)
        assert nib.load(spread).get_fdata().max() == pytest.approx(scale / 20, abs=1e-4)
        sidecar = json.loads(path.with_name(path.name.replace(".nii.gz", ".json")).read_text())
        assert (sidecar["TargetContrast"], sidecar["Seed"]) == (row["target"], row["seed"])
    assert len({row["seed"] for row in output.rows}) == 9
    assert bids_errors(tmp_path / "out") == []
    files = {path: path.read_bytes() for path in (tmp_path / "out").rglob("*.*") if path.is_file()}
    gone = output.path(output.rows[4])
    gone.unlink()  # one of the three of sub-2: the item is made again, the files that are there stay
    again = output_of(tmp_path / "out", names, dataset_dir=dataset)
    assert run(again, lambda image: {"pred": scales * (image > 0)}, batch_size=1) == ["sub-2"]
    assert {path: path.read_bytes() for path in files} == files


def test_translations_that_are_none(tmp_path):
    path = save(tmp_path / "a.nii.gz", "RAS")
    output = output_of(tmp_path / "out", input=path)
    saver = TranslationSaver(output, translation_postprocessing(PREPROCESSING), look=Squares())
    item = PREPROCESSING(output.items[0])
    zeros = torch.zeros(1, *SIZE)
    with pytest.raises(ValueError, match="a: the translation is not finite; try precision fp32"):
        saver.save(item, torch.full((1, *SIZE), float("nan")))
    with pytest.raises(ValueError, match="a: the standard deviation is not finite"):
        saver.save(item, torch.cat([zeros, torch.full((1, *SIZE), float("inf"))]))
    with pytest.raises(ValueError, match=r"a: shape \(44, 52, 44\), expected \(1, 44, 52, 44\)"):
        saver.save(item, torch.zeros(SIZE))
    with pytest.raises(ValueError, match=r"a: shape \(3, 44, 52, 44\), expected \(1, 44, 52, 44\), or twice as many"):
        saver.save(item, torch.zeros(3, *SIZE))
    with pytest.raises(ValueError, match=r"b_T2w\.nii\.gz belongs to no row of this run"):
        saver.save({**item, "files": ["b_T2w.nii.gz"]}, zeros)
    with pytest.raises(ValueError, match="'image' has no record of its preprocessing"):
        saver.save({**item, "image": item["image"].as_tensor()}, zeros)
    save(path, "LPS")
    with pytest.raises(ValueError, match=r"a\.nii\.gz: the translation comes back with shape .*did it change"):
        saver.save(item, zeros)
    assert list((tmp_path).rglob("*_T2w*")) == []
    with pytest.raises(ValueError, match="TranslationSaver needs one item per sample; leave the evaluator's decollate"):
        run(output, decollate=False)


def test_the_preview_shows_sources_beside_their_translations_in_ras(tmp_path, dataset, monkeypatch):
    shown = {}

    def save_montage(path, volumes, labels, **options):
        shown.update(path=path, volumes=volumes, labels=labels, **options)

    monkeypatch.setattr("brain_bundles.runs.run_picture.save_montage", save_montage)
    output = output_of(tmp_path / "out", dataset_dir=dataset)
    output.prepare()
    write_translation_preview(output)
    assert not shown  # nothing is finished
    run(output)
    write_translation_preview(output, max_volumes=2)
    assert shown["path"] == tmp_path / "out" / "logs" / "preview.png"
    assert [label.replace("\n", " ") for label in shown["labels"]] == [
        "sub-1 T1w",
        "sub-1 T2w, synthesised",
        "sub-2 T1w",
        "sub-2 T2w, synthesised",
    ]
    np.testing.assert_allclose(shown["spacing"], [[2, 2, 2]] * 2 + [[1.5, 1, 2.5]] * 2, atol=1e-5)
    assert [volume.shape for volume in shown["volumes"]] == [(51, 57, 43)] * 2 + [(61, 105, 37)] * 2
    source, made = shown["volumes"][:2]
    assert (source.min(), source.max()) == (0, 1)
    assert np.corrcoef(source.ravel(), made.ravel())[0, 1] > 0.999
    # RAS: the brain's middle is 1.5 voxels left of the file's middle, the brightest voxel to the right of it.
    assert np.unravel_index(made.argmax(), made.shape)[0] > 25 - 1.5


class Squares:
    """A look whose curve is a square for T2w, and that keeps the others."""

    name = "scan_T2w.nii.gz"

    def __init__(self):
        self.seen = []

    def curve(self, image, source, target, volume):
        self.seen.append((source, target, tuple(image.shape), tuple(volume.shape), float(volume.max())))
        return MonotoneCurve([[0.25, 0.0625], [0.5, 0.25], [0.75, 0.5625]]) if target == "T2w" else None


def test_a_look_is_given_before_the_translation_is_brought_back(tmp_path, dataset):
    """The standard deviation follows the slope of the curve, and the sidecar has the curve."""
    look = Squares()
    output = output_of(tmp_path / "out", ["T2w", "FLAIR"], dataset_dir=dataset)
    levels = torch.tensor([0.5, 1.2, 0.25, 0.25]).reshape(1, -1, 1, 1, 1)
    run(output, lambda image: {"pred": levels * (image > 0)}, batch_size=1, look=look)
    assert look.seen[:2] == [("T1w", "T2w", (1, *SIZE), SIZE, 0.5), ("T1w", "FLAIR", (1, *SIZE), SIZE, 1.0)]
    for row in output.rows[:2]:
        path = output.path(row)
        spread = path.with_name(f"{row['participant_id']}_desc-std_{row['target']}.nii.gz")
        liked = row["target"] == "T2w"
        assert nib.load(path).get_fdata().max() == pytest.approx(0.25 if liked else 1, abs=1e-4)
        # (0.75^2 - 0.25^2) / 2 where the curve is a square
        assert nib.load(spread).get_fdata().max() == pytest.approx(0.25, abs=1e-4)
        sidecars = [json.loads(Path(str(one).replace(".nii.gz", ".json")).read_text()) for one in (path, spread)]
        expected = {"Like": "scan_T2w.nii.gz", "Curve": [[0.25, 0.0625], [0.5, 0.25], [0.75, 0.5625]]}
        assert [sidecar.get("Look") for sidecar in sidecars] == [expected if liked else None] * 2


def test_native_detail_is_of_images_alone(tmp_path):
    """The sidecar says that it was added, and a standard deviation has none of it."""
    save(tmp_path / "a.nii.gz", "anisotropic")
    made = {}
    for detail in (False, True):
        output = output_of(tmp_path / str(detail), input=tmp_path / "a.nii.gz")
        finish = translation_postprocessing(PREPROCESSING, native_detail=detail)
        saver = TranslationSaver(output, finish, sidecar={"ModelSpacing": 2.0, "NativeDetail": detail})
        item = PREPROCESSING(output.items[0])
        saver.save(item, torch.cat([item["image"].as_tensor(), 0.1 * item["image"].as_tensor()]))
        made[detail] = {
            path.name: nib.load(path).get_fdata() for path in sorted((tmp_path / str(detail)).glob("*.nii.gz"))
        }
        sidecar = json.loads((tmp_path / str(detail) / "a_T2w.json").read_text())
        assert sidecar["Description"].endswith("mm, with the detail of the source") == detail
        assert "made at 2.0 mm and interpolated to [1.0, 1.5, 3.0] mm" in sidecar["Description"]
    np.testing.assert_array_equal(made[True]["a_T2w_std.nii.gz"], made[False]["a_T2w_std.nii.gz"])
    assert np.abs(made[True]["a_T2w.nii.gz"] - made[False]["a_T2w.nii.gz"]).max() > 1e-3


def test_a_source_of_unknown_contrast_is_said_in_words(tmp_path):
    path = save(tmp_path / "scan.nii.gz", "RAS")
    run(output_of(tmp_path / "out", input=path, source="any", contrasts=["T1w", "T2w"]))
    sidecar = json.loads((tmp_path / "out" / "scan_T2w.json").read_text())
    assert sidecar["Description"] == "T2w volume, synthesised from a scan of unknown contrast; not acquired"
    assert sidecar["SourceContrast"] == "any"
