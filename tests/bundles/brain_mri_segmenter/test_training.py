"""The training by its config: heads that are rendered while it runs, validation, pictures, resume, processes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from brain_bundles.data import class_names
from brain_bundles.utils import read_recipe

from ..tracked import check_tracking, check_tracking_option
from .conftest import TINY, Bundle


def test_the_training_writes_weights_with_their_recipe_a_table_and_pictures(trained):
    recipe = read_recipe([trained.ckpt_dir / "model.pt"])
    assert {key: recipe[key] for key in TINY} == TINY
    assert recipe["intensity_scale"] == "head_median"
    assert recipe["classes"] == class_names()
    (trained_on,) = recipe["trained_on"]
    assert trained_on["data"] == "6 subjects of a population of 3 label maps, seed 0"
    output = trained.ckpt_dir.parent / "train"
    lines = (output / "validation.tsv").read_text().splitlines()
    assert lines[0].split("\t") == ["epoch", *class_names()[1:]]
    assert [line.split("\t")[0] for line in lines[1:]] == ["1", "2"]
    scores = np.array([line.split("\t")[1:] for line in lines[1:]], dtype=float)
    assert ((scores >= 0) & (scores <= 1))[~np.isnan(scores)].all()
    assert (output / "segmentations_0002.png").stat().st_size > 10_000
    assert not list(output.rglob("*.nii.gz"))  # no image was written


def test_samples_are_heads_and_brains_of_any_contrast_with_their_classes(trained, tmp_path):
    workflow = trained.workflow("train", tmp_path, **{"dataset_dir::num_subjects": 40})
    workflow.initialize()
    dataset = workflow.parser.get_parsed_content("train::dataset")
    batch = next(iter(workflow.parser.get_parsed_content("train::dataloader")))
    assert batch["image"].shape == batch["label"].shape == (1, 1, 48, 48, 48)
    assert 0 <= float(batch["image"].min()) < float(batch["image"].max()) < 1
    labels = torch.unique(batch["label"])
    assert torch.equal(labels, labels.round())
    assert {1, 2, 3} <= set(labels.int().tolist()) <= set(range(len(class_names())))
    shown = []
    for index in range(12):
        item = dataset[index]
        skin = (item["image"] > 0.1) & (item["label"] == 0)
        shown.append(float(skin.sum() / (item["label"] > 0).sum()))
    assert sum(share > 0.5 for share in shown) >= 2  # whole heads
    assert sum(share < 0.3 for share in shown) >= 2  # brains


def test_the_random_transforms_move_image_and_labels_alike(trained, tmp_path):
    workflow = trained.workflow("train", tmp_path, affine_probability=1.0)
    workflow.initialize()
    moved = workflow.parser.get_parsed_content("train::dataset")[0]
    plain = workflow.parser.get_parsed_content("image_preprocessing")(
        dict(workflow.parser.get_parsed_content("train::datalist")[0])
    )
    assert not torch.equal(moved["label"], plain["label"])

    def brightness(item: dict) -> list[float]:
        return [float(item["image"][item["label"] == index].mean()) for index in (1, 2)]

    np.testing.assert_allclose(brightness(moved), brightness(plain), atol=0.08)


def test_label_maps_are_asked_for_by_name(maps, tmp_path):
    with pytest.raises((RuntimeError, ValueError)) as error:
        Bundle(maps, tmp_path / "models").run("train", tmp_path / "out", anatomies=None)
    cause: BaseException | None = error.value
    texts = []
    while cause is not None:
        texts.append(str(cause))
        cause = cause.__cause__
    assert "anatomies is None: people are made from label maps" in texts[-1]
    assert not (tmp_path / "models" / "model.pt").exists()


def test_a_grid_that_does_not_fit_the_network_is_named(maps, tmp_path):
    with pytest.raises(RuntimeError) as error:
        Bundle(maps, tmp_path / "models").run("train", tmp_path / "out", spatial_size=[46, 48, 48])
    assert "spatial_size is [46, 48, 48], which does not pass through UNet" in str(error.value.__cause__)


def test_training_goes_on_from_weights(trained, tmp_path):
    bundle = trained.copy_to(tmp_path / "models")
    shipped = str(trained.ckpt_dir / "model.pt")
    options = {"initial_weights": shipped, "max_epochs": 1, "muon_learning_rate": 0.0, "ema_decay": 0.0}
    bundle.run("train", tmp_path / "out", **options, **{"dataset_dir::num_subjects": 5})  # other people
    before, after = (torch.load(one.ckpt_dir / "model.pt", weights_only=True) for one in (trained, bundle))
    assert all(torch.equal(before[name], after[name]) for name in before if not name.startswith("recipe"))
    assert len(read_recipe([bundle.ckpt_dir / "model.pt"])["trained_on"]) == 2


def test_a_network_learns_a_head(maps, tmp_path):
    """A network of 30,000 weights tells ten steps' loss from a hundred's: the mean Dice of the large classes rises."""
    bundle = Bundle(maps, tmp_path / "models")
    options = {
        "dataset_dir::num_subjects": 1,
        "dataset_dir::acquisition": "nominal",
        "dataset_dir::random_share": 0.0,
        "affine_probability": 0.0,
        "flip_probability": 0.0,
    }
    options |= {
        "num_held_out": 1,
        "samples_per_epoch": 40,
        "max_epochs": 2,
        "muon_learning_rate": 0.02,
        "ema_decay": 0.9,
    }
    bundle.run("train", tmp_path / "out", **{"network_def::channels": [8, 16, 32], **options})
    lines = (tmp_path / "out" / "validation.tsv").read_text().splitlines()
    first, last = (dict(zip(lines[0].split("\t"), map(float, line.split("\t")), strict=True)) for line in lines[1:])
    assert last["white_matter"] > 0.5
    assert last["white_matter"] >= first["white_matter"]


@pytest.mark.long
@pytest.mark.distributed
def test_it_trains_in_two_processes(trained, tmp_path):
    bundle = trained.copy_to(tmp_path / "models")
    before = (bundle.ckpt_dir / "model.pt").read_bytes()
    bundle.run_in_two_processes("train", tmp_path / "out", "multi_gpu_train")
    assert (bundle.ckpt_dir / "model.pt").read_bytes() != before


@pytest.mark.long
def test_a_killed_training_that_is_resumed_ends_like_an_uninterrupted_one(trained, tmp_path):
    whole, killed = trained.train_twice("train", "model.pt", tmp_path, max_epochs=4)
    assert all(torch.equal(whole[key], killed[key]) for key in whole)


def test_trackers_hold_losses_learning_rate_metrics_pictures_and_settings(trained, tmp_path, monkeypatch):
    check_tracking(trained.copy_to(tmp_path / "models"), "train", tmp_path / "out", monkeypatch)


def test_the_option_tracking_of_monai_works(trained, tmp_path):
    check_tracking_option(trained.copy_to(tmp_path / "models"), "train", tmp_path / "out")
