import os

import numpy as np
import pytest
import torch
from brain_bundles.data import CachedLatents, measure_latent_statistics
from brain_bundles.networks import LatentAutoencoderKL
from monai.data import DataLoader, Dataset
from monai.transforms import Compose, EnsureChannelFirstd, LoadImaged, ScaleIntensityd
from torch import nn


def autoencoder(seed: int = 0) -> LatentAutoencoderKL:
    torch.manual_seed(seed)
    return LatentAutoencoderKL(
        3,
        num_res_blocks=(1, 1),
        channels=(4, 8),
        attention_levels=(False, False),
        latent_channels=2,
        norm_num_groups=2,
        with_encoder_nonlocal_attn=False,
        with_decoder_nonlocal_attn=False,
    )


def preprocessing(maxv: float = 1.0, keys: str | tuple[str, ...] = "image") -> Compose:
    return Compose(
        [
            LoadImaged(keys, image_only=True),
            EnsureChannelFirstd(keys, channel_dim="no_channel"),
            ScaleIntensityd(keys, maxv=maxv),
        ]
    )


@pytest.fixture
def datalist(tmp_path) -> list[dict]:
    rng = np.random.default_rng(0)
    for i in range(5):
        np.save(tmp_path / f"{i}.npy", rng.random((8, 8, 8), dtype=np.float32))
    return [{"image": str(tmp_path / f"{i}.npy"), "age": 40.0 + i} for i in range(5)]


def cached(datalist, tmp_path, net=None, **kwargs) -> CachedLatents:
    kwargs = {"transform": preprocessing(), "cache_dir": tmp_path / "cache", **kwargs}
    return CachedLatents(datalist, autoencoder=net or autoencoder(), **kwargs)


def files(tmp_path) -> list[str]:
    return sorted(item.name for item in (tmp_path / "cache").iterdir())


def test_items_are_the_moments_and_the_rest_of_the_row(datalist, tmp_path):
    net = autoencoder()
    net.set_latent_statistics([1.0, -1.0], [0.5, 2.0])
    data = cached(datalist, tmp_path, net, batch_size=2)
    assert len(data) == 5
    assert set(data[3]) == {"age", "mean", "sigma"}
    assert data[3]["age"] == 43.0
    with torch.no_grad():
        mean, sigma = net.encode_moments(preprocessing()(datalist[3])["image"].as_tensor()[None])
    torch.testing.assert_close(data[3]["mean"], mean[0])  # the batch size changes the order of sums
    torch.testing.assert_close(data[3]["sigma"], sigma[0])


def test_second_time_reads_without_encoding(datalist, tmp_path, monkeypatch):
    first = cached(datalist, tmp_path)
    monkeypatch.setattr(LatentAutoencoderKL, "encode_moments", None)
    again = cached(datalist, tmp_path, batch_size=3, num_workers=0)
    assert again.key == first.key
    assert torch.equal(again[4]["mean"], first[4]["mean"])
    assert files(tmp_path) == [f"latents_{first.key}.pt"]


def test_a_quantised_latent_has_no_sigma_in_the_file(datalist, tmp_path):
    class Quantised(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale = nn.Parameter(torch.ones(1))

        def encode_moments(self, image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            return image * self.scale, torch.zeros_like(image)

    whole, quantised = cached(datalist, tmp_path), cached(datalist, tmp_path, Quantised())
    assert torch.equal(quantised[3]["sigma"], torch.zeros(1, 8, 8, 8))
    assert torch.equal(quantised[3]["mean"], preprocessing()(datalist[3])["image"].as_tensor())
    assert quantised.latents["sigma"].untyped_storage().nbytes() == 4
    assert whole.latents["sigma"].untyped_storage().nbytes() == whole.latents["sigma"].numel() * 4
    assert quantised.path.stat().st_size < 1.3 * quantised.latents["mean"].numel() * 4
    batch = next(iter(DataLoader(quantised, batch_size=5)))
    assert batch["sigma"].shape == (5, 1, 8, 8, 8)


def test_used_preprocessing_keeps_its_key(datalist, tmp_path):
    """A transform may keep state from its first call; that must not make the cache stale."""
    transform = preprocessing()
    assert cached(datalist, tmp_path, transform=transform).key == cached(datalist, tmp_path, transform=transform).key


@pytest.mark.parametrize(
    "change", ["weights", "statistics", "structure", "preprocessing", "time", "content", "order", "dtype"]
)
def test_every_change_makes_a_new_key(datalist, tmp_path, change):
    first = cached(datalist, tmp_path)
    net, kwargs = autoencoder(), {}
    path = datalist[2]["image"]
    if change == "weights":
        net.encoder.blocks[0].conv.bias.data[0] += 1e-3
    elif change == "statistics":
        net.set_latent_statistics(0.0, 2.0)
    elif change == "structure":
        net.encoder.blocks[1].norm1.eps = 1e-3
    elif change == "preprocessing":
        kwargs["transform"] = preprocessing(maxv=2.0)
    elif change == "time":
        os.utime(path, ns=(1, 1))
    elif change == "content":
        status = os.stat(path)
        np.save(path, np.zeros((8, 8, 8), dtype=np.float64))
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    elif change == "order":
        datalist = datalist[::-1]
    else:
        kwargs["dtype"] = "fp16"
    second = cached(datalist, tmp_path, net, **kwargs)
    assert second.key != first.key
    assert len(files(tmp_path)) == 2


def test_covariates_are_not_frozen_in_the_file(datalist, tmp_path):
    first = cached(datalist, tmp_path)
    second = cached([{**item, "age": 99.0} for item in datalist], tmp_path)
    assert second.key == first.key
    assert second[0]["age"] == 99.0


def test_half_precision_file_is_right_to_its_precision(datalist, tmp_path):
    full, half = cached(datalist, tmp_path), cached(datalist, tmp_path, dtype="fp16")
    assert half[0]["mean"].dtype == torch.float16
    torch.testing.assert_close(half[0]["mean"].float(), full[0]["mean"], rtol=5e-4, atol=1e-7)


def test_damaged_file_is_an_error_that_names_it(datalist, tmp_path):
    data = cached(datalist, tmp_path)
    data.path.write_bytes(b"half")
    with pytest.raises(ValueError, match=rf"{data.path.name} \(4 bytes\) cannot be read"):
        cached(datalist, tmp_path)


def test_interrupted_encoding_leaves_no_file(datalist, tmp_path):
    np.save(datalist[3]["image"], np.zeros((16, 8, 8), dtype=np.float32))
    with pytest.raises(ValueError, match=r"item 3 \(.*3\.npy\) has a latent of shape \(2, 8, 4, 4\), the ones before"):
        cached(datalist, tmp_path)
    assert not (tmp_path / "cache").exists()


def test_bad_input_is_named(datalist, tmp_path):
    with pytest.raises(ValueError, match="the datalist is empty"):
        cached([], tmp_path)
    with pytest.raises(ValueError, match="1 items lack 'image', the first is item 5"):
        cached([*datalist, {"age": 1.0}], tmp_path)
    with pytest.raises(ValueError, match="dtype is 'int8'; allowed: fp32, fp16"):
        cached(datalist, tmp_path, dtype="int8")
    with pytest.raises(FileNotFoundError, match=r"none\.npy does not exist"):
        cached([{"image": str(tmp_path / "none.npy")}], tmp_path)
    np.save(datalist[1]["image"], np.full((8, 8, 8), np.nan, dtype=np.float32))
    with pytest.raises(ValueError, match=r"item 1 \(.*1\.npy\).* is not finite"):
        cached(datalist, tmp_path)


def test_several_images_per_item_are_encoded_under_their_names(datalist, tmp_path):
    """One cache of two images has the content of two caches of one image."""
    both = zip(datalist, datalist[::-1], strict=True)
    pairs = [{"source": one["image"], "target": other["image"]} for one, other in both]
    net = autoencoder()
    transform = preprocessing(keys=("source", "target"))
    data = CachedLatents(pairs, transform, net, cache_dir=tmp_path, image_key=["source", "target"])
    single = cached(datalist, tmp_path, net)
    assert set(data[0]) == {"source_mean", "source_sigma", "target_mean", "target_sigma"}
    last = len(datalist) - 1
    for index in range(len(datalist)):
        for part in ("mean", "sigma"):
            torch.testing.assert_close(data[index][f"source_{part}"], single[index][part])
            torch.testing.assert_close(data[index][f"target_{part}"], single[last - index][part])


class Moments(nn.Module):
    """mu is the image and sigma a constant per channel."""

    def __init__(self) -> None:
        super().__init__()
        self.sigma = nn.Parameter(torch.tensor([0.3, 2.0]))
        self.statistics = None

    def raw_moments(self, x):
        return x, self.sigma.view(1, 2, 1, 1, 1).expand_as(x)

    def set_latent_statistics(self, mean, std):
        self.statistics = (mean, std)


def test_statistics_are_those_of_drawn_samples():
    generator = torch.Generator().manual_seed(0)
    images = 3.0 + torch.randn(6, 2, 8, 8, 8, generator=generator) * torch.tensor([1.0, 0.5]).view(1, 2, 1, 1, 1)
    loader = DataLoader(Dataset([{"image": image} for image in images]), batch_size=4)  # a last batch of 2
    mean, std = measure_latent_statistics(Moments(), loader)
    flat = images.transpose(0, 1).flatten(1)
    torch.testing.assert_close(mean, flat.mean(1))
    expected = (flat.var(1, unbiased=False) + torch.tensor([0.3, 2.0]).square()).sqrt()
    torch.testing.assert_close(std, expected)
    samples = images + torch.tensor([0.3, 2.0]).view(1, 2, 1, 1, 1) * torch.randn(images.shape, generator=generator)
    # 3072 samples per channel: the standard error of a standard deviation is 1.3 %
    torch.testing.assert_close(std, samples.transpose(0, 1).flatten(1).std(1), rtol=0.05, atol=0)


def test_statistics_normalise_the_latents_of_the_cache(datalist, tmp_path):
    net = autoencoder()
    loader = DataLoader(Dataset(datalist, preprocessing()), batch_size=2)
    net.set_latent_statistics(*measure_latent_statistics(net, loader))
    data = cached(datalist, tmp_path, net)
    torch.testing.assert_close(data.latents["mean"].mean((0, 2, 3, 4)), torch.zeros(2), rtol=0, atol=1e-4)
    variance = data.latents["mean"].var((0, 2, 3, 4), unbiased=False) + data.latents["sigma"].square().mean(
        (0, 2, 3, 4)
    )
    torch.testing.assert_close(variance, torch.ones(2), rtol=1e-4, atol=0)


def test_empty_loader_is_refused():
    with pytest.raises(ValueError, match="the loader is empty"):
        measure_latent_statistics(Moments(), [])


def test_items_may_lack_an_image_when_that_is_allowed(datalist, tmp_path):
    first, second = (item["image"] for item in datalist[:2])
    subjects = [{"name": "a", "T1w": first, "T2w": second}, {"name": "b", "T2w": first}]

    def load(item: dict) -> dict:
        present = tuple(key for key in ("T1w", "T2w") if key in item)
        return preprocessing(keys=present)(item)

    options = {"transform": load, "image_key": ["T1w", "T2w"]}
    with pytest.raises(ValueError, match="1 items lack 'T1w' or 'T2w', the first is item 1"):
        cached(subjects, tmp_path, **options)
    data = cached(subjects, tmp_path, allow_missing_keys=True, **options)
    assert set(data[0]) == {"name", "T1w_mean", "T1w_sigma", "T2w_mean", "T2w_sigma"}
    assert set(data[1]) == {"name", "T2w_mean", "T2w_sigma"}
    torch.testing.assert_close(data[1]["T2w_mean"], data[0]["T1w_mean"])
    again = cached(subjects, tmp_path, allow_missing_keys=True, **options)
    assert again.path == data.path
    other = [subjects[0], {"name": "b", "T1w": first}]  # the same file as another contrast
    assert cached(other, tmp_path, allow_missing_keys=True, **options).path != data.path
    with pytest.raises(ValueError, match="allow_missing_keys needs batch_size 1, got 2"):
        cached(subjects, tmp_path, allow_missing_keys=True, batch_size=2, **options)


def test_the_spread_of_a_channel_is_that_of_drawn_latents(datalist, tmp_path):
    data = cached(datalist, tmp_path)
    mean, sigma = (torch.stack([data[i][name] for i in range(len(data))]) for name in ("mean", "sigma"))
    draws = torch.stack([mean + sigma * torch.randn(mean.shape) for _ in range(200)])
    torch.testing.assert_close(data.channel_std(), draws.transpose(0, 2).flatten(1).std(1), atol=0.01, rtol=0.02)


def test_the_spread_is_of_one_image(datalist, tmp_path):
    items = [{**item, "label": item["image"]} for item in datalist]
    keys = ("image", "label")
    several = cached(items, tmp_path, transform=preprocessing(keys=keys), image_key=list(keys))
    with pytest.raises(ValueError, match="channel_std needs one image per item"):
        several.channel_std()
