import pytest
import torch
from brain_bundles.data import EpochIndex, EpochSampler, SeededDataset
from brain_bundles.utils import derive_seed
from monai.data import DataLoader
from monai.transforms import Compose, RandGaussianNoised, RandScaleIntensityd, RandSpatialCropSamplesd


def items(n: int = 6) -> list[dict]:
    return [{"image": torch.full((1, 4, 4, 4), float(i + 1))} for i in range(n)]


def noisy() -> Compose:
    return Compose(
        [RandScaleIntensityd("image", factors=0.5, prob=1.0), RandGaussianNoised("image", prob=0.7, std=1.0)]
    )


def test_item_depends_on_seed_epoch_and_index_only():
    dataset = SeededDataset(items(), noisy(), seed=1)
    first = dataset[EpochIndex(2, 5)]["image"]
    dataset[0], dataset[EpochIndex(4, 5)]  # whatever was drawn in between
    torch.testing.assert_close(dataset[EpochIndex(2, 5)]["image"], first, rtol=0, atol=0)
    for other in (
        dataset[EpochIndex(2, 6)],
        dataset[EpochIndex(3, 5)],
        SeededDataset(items(), noisy(), seed=2)[EpochIndex(2, 5)],
    ):
        assert not torch.equal(other["image"], first)


def test_plain_index_is_epoch_zero_and_negative_indices_count_from_the_end():
    dataset = SeededDataset(items(), noisy())
    assert torch.equal(dataset[5]["image"], dataset[EpochIndex(5, 0)]["image"])
    assert torch.equal(dataset[5]["image"], dataset[-1]["image"])
    with pytest.raises(IndexError):
        dataset[6]


@pytest.mark.parametrize("num_workers", [0, 2])
def test_every_epoch_reaches_the_workers(num_workers):
    dataset = SeededDataset(items(), noisy(), seed=1)
    sampler = EpochSampler(dataset, seed=1)
    loader = DataLoader(
        dataset, batch_size=2, sampler=sampler, num_workers=num_workers, persistent_workers=num_workers > 0
    )
    for epoch in (1, 2):
        sampler.set_epoch(epoch)
        seen = torch.cat([batch["image"] for batch in loader])
        expected = torch.stack([dataset[index]["image"] for index in sampler])
        torch.testing.assert_close(seen, expected, rtol=0, atol=0)


def test_data_are_copied_before_the_transform():
    data = items(1)

    def spoil(item: dict) -> dict:
        item["image"].zero_()
        return item

    SeededDataset(data, spoil)[0]
    assert data[0]["image"].eq(1).all()


def test_sample_seed_is_the_derived_seed_and_survives_collation():
    dataset = SeededDataset(items(), seed=3)
    batch = next(iter(DataLoader(dataset, batch_size=6, sampler=EpochSampler(dataset, shuffle=False))))
    assert batch["sample_seed"].tolist() == [derive_seed(3, 0, i) for i in range(6)]


def test_patches_of_one_item_have_their_own_seeds():
    crop = RandSpatialCropSamplesd("image", roi_size=(2, 2, 2), num_samples=3, random_size=False)
    patches = SeededDataset(items(), crop)[0]
    assert len({patch["sample_seed"] for patch in patches}) == 3


def test_existing_seed_entry_is_refused_and_none_leaves_items_alone():
    with pytest.raises(ValueError, match="entry 'sample_seed' already"):
        SeededDataset([{"sample_seed": 1}])[0]
    assert SeededDataset([{"image": 1}], seed_key=None)[0] == {"image": 1}
    assert SeededDataset([3])[0] == 3


def test_a_part_of_a_larger_tensor_is_copied_alone():
    """copy.deepcopy copies the whole storage of a view: all latents of a training set for each item."""
    whole = torch.randn(100, 50)
    item = SeededDataset([{"image": whole[3], "other": [1, 2]}])[0]
    assert torch.equal(item["image"], whole[3])
    assert item["image"].untyped_storage().nbytes() == 50 * 4
    assert item["image"].data_ptr() != whole[3].data_ptr()
