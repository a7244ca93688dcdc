"""A population that is rendered in training: from (seed, index) alone, whatever reads it."""

from __future__ import annotations

import pickle

import pytest
import torch
from brain_bundles.data import (
    CachedLatents,
    RenderedDataset,
    RenderedImage,
    SeededDataset,
    TrainingData,
    bids_datalist,
    checked_datalist,
    contrast_datalist,
    image_datalist,
    image_dataset,
    paired_datalist,
)
from brain_bundles.data.rendered import alternate
from brain_bundles.phantom import HeadPopulation
from brain_bundles.phantom.scanner import acquisition_of
from brain_bundles.runs import segmentation_inputs, translation_inputs
from brain_bundles.transforms import ReadImaged, image_preprocessing
from monai.data import CacheDataset, DataLoader, Dataset

from .conftest import write_map

GRID = {"spatial_size": (52, 56, 52), "spacing": 4.0}


@pytest.fixture
def population(anatomies):
    return HeadPopulation(anatomies, num_subjects=6, num_held_out=2, **GRID)


def volumes(items, num_workers: int) -> torch.Tensor:
    loader = DataLoader(Dataset(items, ReadImaged("image")), batch_size=1, num_workers=num_workers)
    return torch.cat([batch["image"].as_tensor() for batch in loader])


def test_images_are_the_same_bytes_for_any_number_of_workers(population, anatomies):
    items = bids_datalist(population, "T1w", "train")
    alone = volumes(items, 0)
    assert alone.shape == (6, 1, *GRID["spatial_size"])
    assert torch.equal(volumes(items, 2), alone)
    longer = HeadPopulation(anatomies, num_subjects=1000, **GRID)
    last = items[5]["image"].render()[0]
    assert (bids_datalist(longer, "T1w", "train")[5]["image"].render()[0] == last).all()
    assert (pickle.loads(pickle.dumps(items[5]["image"])).render()[0] == last).all()
    other = HeadPopulation(anatomies, num_subjects=6, seed=1, **GRID)
    assert not (bids_datalist(other, "T1w", "train")[5]["image"].render()[0] == last).all()


def test_every_datalist_takes_a_population_in_the_place_of_a_folder(population):
    assert isinstance(population, RenderedDataset)
    one = checked_datalist(population, ["T1w"], "val", check_also=["test"])
    assert len(one) == 2
    covariates = {"age", "sex", "ventricular_volume", "brain_volume", "intracranial_volume"}
    assert one[1].keys() == {"participant_id", "image"} | covariates
    assert isinstance(one[0]["image"], RenderedImage)
    pairs = paired_datalist(population, "T1w", "FLAIR", "train")
    assert (pairs[0]["image"].contrast, pairs[0]["label"].contrast) == ("T1w", "FLAIR")
    assert (pairs[0]["image"].role, pairs[0]["label"].role) == ("source", "target")
    both = contrast_datalist(population, ["T1w", "FLAIR"], "train")
    assert {"T1w", "FLAIR"} <= both[0].keys()
    assert "image" not in both[0]
    each = image_datalist(population, ["T1w", "FLAIR"], "train")
    assert [(str(item["image"])) for item in each[:8:4]] == [
        "sub-train000000_T1w (source)",
        "sub-train000000_FLAIR (source)",
    ]
    assert len(each) == 12
    assert [item["participant_id"] for item in each[-4:]] == ["sub-train000004", "sub-train000005"] * 2


def test_a_pair_shows_one_anatomy_by_two_acquisitions(anatomies):
    people = HeadPopulation(anatomies, acquisition="random", target_acquisition="nominal", num_subjects=2, **GRID)
    pair = paired_datalist(people, "T1w", "T2w", "train")[1]
    head = people.subject("train", 1)
    nominal = acquisition_of("nominal")
    target = nominal.image(head, nominal.draw(head, "T2w", key="target")).numpy()
    label = pair["label"].render()[0]
    assert (label == target)[label > 0].all()
    assert pair["image"].scan.sequence["family"] == "random"
    assert any(people.options.turn) is False
    varied = HeadPopulation(anatomies, random_share=0.5, num_subjects=200, **GRID)
    drawn = [varied.acquisition("source", "train", index).name for index in range(200)]
    assert 70 < drawn.count("random") < 130
    assert varied.acquisition("target", "train", 0).name == "varied"


def test_targets_have_the_masks_of_their_sources(anatomies):
    """Outside of the brain, too, a target shows by its own levels what the mask of its source lets through."""
    options = {"acquisition": "random", "target_acquisition": "nominal", "num_subjects": 2, "scans_per_person": 4}
    people = HeadPopulation(anatomies, **options, **GRID)
    brains = [people.subject("train", index).brain_mask.numpy() for index in range(2)]
    beyond = 0
    for item in contrast_datalist(people, ["T1w", "FLAIR"], "train"):
        assert {"T1w", "FLAIR", "T1w_target", "FLAIR_target"} <= item.keys()
        shown = [item[key].render()[0] > 0 for key in ("T1w", "FLAIR", "T1w_target", "FLAIR_target")]
        extent = item["T1w"].extent().numpy()
        for image in shown:
            assert not image[~extent].any()
            assert image[extent].mean() > 0.9  # noise may be 0
        beyond += int(shown[3][~brains[item["T1w"].index]].sum())
    assert beyond > 0
    assert len({item["FLAIR_target"].fingerprint() for item in people.items(["T1w", "FLAIR"], "train")}) == 8
    pair = paired_datalist(people, "T1w", "FLAIR", "train")[0]
    assert (pair["label"].render()[0] == people.items(["T1w", "FLAIR"], "train")[0]["FLAIR_target"].render()[0]).all()


def test_without_an_acquisition_of_their_own_targets_are_the_other_contrasts(population):
    item = contrast_datalist(population, ["T1w", "FLAIR"], "train")[0]
    assert not [key for key in item if key.endswith("_target")]
    assert item["FLAIR"].within is item["T1w"]


def test_splits_have_maps_and_people_of_their_own(population):
    names = {"train": "training_seg_01", "val": "training_seg_03", "test": "training_seg_05"}
    for split, name in names.items():
        assert population.source.in_split(split) == [name]
    ages = [bids_datalist(population, "T1w", split)[0]["age"] for split in names]
    assert len(set(ages)) == 3
    with pytest.raises(ValueError, match="split is None; a population has train, val and test"):
        bids_datalist(population, "T1w")
    with pytest.raises(ValueError, match="unknown contrast 'DWI'"):
        population.items(["DWI"], "train")
    with pytest.raises(ValueError, match="acquisition is 'real'"):
        HeadPopulation(population.source.maps["training_seg_01"].parent, acquisition="real")


@pytest.mark.parametrize("exact", [True, False])
def test_covariates_of_an_item_are_those_of_its_head(anatomies, exact):
    people = HeadPopulation(anatomies, num_subjects=3, exact=exact, acquisition="nominal", **GRID)
    for index, item in enumerate(bids_datalist(people, "T1w", "train")):
        found = people.subject("train", index).volumes
        assert found["brain_volume"] == pytest.approx(item["brain_volume"], rel=0.02 if exact else 0.05)


def test_a_training_reads_it_like_a_folder(population, anatomies):
    items = bids_datalist(population, "T1w", "train")
    preprocessing = image_preprocessing("image", 4.0, (40, 48, 40), warn_cut=None)
    many = bids_datalist(HeadPopulation(anatomies, num_subjects=1001, num_held_out=2, **GRID), "T1w", "train")
    fresh = image_dataset(many, preprocessing, cache_rate=1.0, progress=False)
    assert not isinstance(fresh, CacheDataset)  # a hundred thousand people are not kept
    kept = image_dataset(items, preprocessing, progress=False)
    assert isinstance(kept, CacheDataset)
    assert len(kept) == 6
    assert kept[2]["image"].equal(fresh[2]["image"])  # a person depends on seed, split and index alone
    sample = SeededDataset(fresh, seed=1)[3]
    assert sample["image"].shape == (1, 40, 48, 40)
    brain = sample["image"][sample["image"] > 0]
    assert float(brain.median()) == pytest.approx(0.5, abs=0.01)  # the collection's intensity scale
    trained_on = TrainingData(population, items, "T1w")()
    assert trained_on["data"] == "6 subjects of a population of 3 label maps, seed 0"


def test_an_inference_reads_files(population):
    """A population has none, and says so."""
    for inputs in (
        lambda: translation_inputs(population, source="T1w", target="T2w"),
        lambda: segmentation_inputs(population),
    ):
        with pytest.raises(ValueError, match="a population of 3 label maps, seed 0, which is rendered in training;"):
            inputs()


class Halves(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(1))

    def encode_moments(self, x):
        mean = torch.nn.functional.avg_pool3d(x, 2)
        return mean, torch.zeros_like(mean)


def test_latents_of_a_population_are_cached_under_a_key_that_use_does_not_change(population, anatomies, tmp_path):
    items = bids_datalist(population, "T1w", "val")
    preprocessing = image_preprocessing("image", 4.0, (40, 48, 40), warn_cut=None)
    first = CachedLatents(items, preprocessing, Halves(), cache_dir=tmp_path)
    assert first[1]["mean"].shape == (1, 20, 24, 20)
    again = HeadPopulation(anatomies, num_subjects=6, num_held_out=2, **GRID)
    assert (
        CachedLatents(bids_datalist(again, "T1w", "val"), preprocessing, Halves(), cache_dir=tmp_path).key == first.key
    )
    other = HeadPopulation(anatomies, num_subjects=6, num_held_out=2, acquisition="nominal", **GRID)
    other_items = bids_datalist(other, "T1w", "val")
    assert CachedLatents(other_items, preprocessing, Halves(), cache_dir=tmp_path).key != first.key


def test_a_share_of_the_people_are_whole_heads(anatomies):
    people = HeadPopulation(anatomies, num_subjects=12, whole_head=0.5, acquisition="random", **GRID)
    heads = [people.subject("train", index) for index in range(12)]
    assert 2 <= sum(head.whole_head for head in heads) <= 10
    for index, head in enumerate(heads):
        image = torch.from_numpy(people.items(["T1w"], "train")[index]["image"].render()[0])
        outside = image[head.intracranial < 0.01]
        assert (float((outside > 0.05).float().mean()) > 0.1) == head.whole_head
    assert people.settings != HeadPopulation(anatomies, num_subjects=12, whole_head=True, **GRID).settings
    everybody = [HeadPopulation(anatomies, whole_head=share, **GRID).settings for share in (True, 1, 1.0)]
    assert len(set(everybody)) == 1
    with pytest.raises(ValueError, match=r"whole_head is 1\.5, expected True, False or a share"):
        HeadPopulation(anatomies, whole_head=1.5)


def test_a_share_of_whole_heads_takes_maps_of_brains_as_brains(tmp_path, numbers):
    brain = numbers.copy()
    brain[numbers >= 500] = 0
    write_map(tmp_path / "training_seg_01.nii.gz", brain)
    people = HeadPopulation(tmp_path, num_subjects=4, num_held_out=0, whole_head=0.9, **GRID)
    assert not any(people.subject("train", index).whole_head for index in range(4))
    with pytest.raises(ValueError, match="this label map has a brain alone"):
        HeadPopulation(tmp_path, num_subjects=4, num_held_out=0, whole_head=True, **GRID).subject("train", 0)


def test_an_item_with_its_segmentation(population):
    items = population.segmentations(["T1w", "FLAIR"], "train")
    assert len(items) == 6
    assert items[0].keys() == {"participant_id", "image", "label"}
    assert {item["image"].contrast for item in items} == {"T1w", "FLAIR"}
    assert isinstance(items[0]["label"], RenderedImage)
    label, affine = items[0]["label"].render()
    image, other = items[0]["image"].render()
    assert label.shape == image.shape
    assert (affine == other).all()
    assert label.max() < 100
    inside = population.subject("train", 0).brain_mask.numpy()
    assert ((label > 0) == inside).all()
    assert str(items[0]["label"]) == "sub-train000000_dseg"
    assert len({item["label"].fingerprint() for item in items} | {item["image"].fingerprint() for item in items}) == 12


def test_scans_of_a_person_share_the_head_and_nothing_else(anatomies, monkeypatch):
    people = HeadPopulation(anatomies, num_subjects=6, scans_per_person=3, acquisition="random", **GRID)
    items = people.segmentations(["T1w", "T2w"], "train")
    assert len(items) == len(people.pairs("T1w", "T2w", "train")) == 18
    assert [item["image"].index for item in items] == [0, 1, 2, 3] * 3 + [4, 5] * 3
    rendered = []
    render = people._render
    monkeypatch.setattr(people, "_render", lambda split, index: rendered.append(index) or render(split, index))
    images = [torch.from_numpy(item["image"].render()[0]) for item in items]
    assert rendered == [0, 1, 2, 3, 4, 5]
    own = [image for item, image in zip(items, images, strict=True) if item["image"].index == 5]
    assert len(own) == 3
    assert not torch.equal(own[0], own[1])
    assert not torch.equal(own[1], own[2])
    assert len({item["image"].fingerprint() for item in items}) == 18
    once = HeadPopulation(anatomies, num_subjects=6, acquisition="random", **GRID).segmentations(["T1w"], "train")
    assert (once[5]["label"].render()[0] == items[17]["label"].render()[0]).all()


def test_ventricles_may_be_drawn_evenly(anatomies):
    people = HeadPopulation(anatomies, num_subjects=300, even_ventricles=0.5, **GRID)
    plain = HeadPopulation(anatomies, num_subjects=300, **GRID)
    pairs = [(people.person("train", index), plain.person("train", index)) for index in range(300)]
    changed = [(one, other) for one, other in pairs if one != other]
    assert 100 < len(changed) < 200
    assert all(one.age == other.age and one.brain_volume == other.brain_volume for one, other in changed)
    large = [sum(person.ventricular_volume > 40 for person in side) for side in zip(*changed, strict=True)]
    assert large[0] > 2 * large[1]
    assert people.settings != plain.settings


@pytest.mark.parametrize("num_workers", [1, 2, 4])
def test_workers_render_each_head_once(num_workers):
    """Loaders give item n to worker n mod ``num_workers``, which keeps its last four heads."""
    places = [alternate(number, 10, 3, 4) for number in range(30)]
    assert sorted(places) == [(person, scan) for person in range(10) for scan in range(3)]
    for worker in range(num_workers):
        own = [person for person, _ in places[worker:24:num_workers]]
        assert len(set(own)) == 8 // num_workers
        assert all(own.count(person) == 3 for person in own)


def test_people_without_label_maps_are_asked_for_them_when_they_are_needed():
    people = HeadPopulation(None)
    assert isinstance(people, RenderedDataset)
    assert str(people) == "a population of 0 label maps, seed 0"
    with pytest.raises(
        ValueError, match=r"anatomies is None: people are made from label maps.*docs/how-to/get_label_maps\.md"
    ):
        people.segmentations(["T1w"], "train")
