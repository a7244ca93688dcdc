from __future__ import annotations

import pytest
import torch
from brain_bundles.networks import SlicewiseAutoencoder
from brain_bundles.utils.fingerprint import module_fingerprint


@pytest.fixture
def slices(make_autoencoder):
    network = make_autoencoder(2, latent_channels=3).eval()
    network.set_latent_statistics([0.5, -1.0, 0.0], [2.0, 0.5, 1.0])
    return network


@pytest.mark.parametrize("axis", [0, 1, 2])
@torch.no_grad()
def test_every_slice_is_encoded_and_decoded_alone(slices, axis):
    volume = torch.rand(2, 1, 8, 12, 16)
    network = SlicewiseAutoencoder(slices, slice_axis=axis, slices_per_pass=5)
    mean, sigma = network.encode_moments(volume)
    images = network.decode_stage_2_outputs(mean)
    assert images.shape == volume.shape
    for b in range(2):
        for s in range(volume.shape[axis + 2]):
            one = slices.encode_moments(volume[b : b + 1].select(axis + 2, s))
            torch.testing.assert_close(mean[b, :, s], one[0][0], atol=1e-5, rtol=1e-4)
            torch.testing.assert_close(sigma[b, :, s], one[1][0], atol=1e-5, rtol=1e-4)
            back = slices.decode_stage_2_outputs(one[0])
            torch.testing.assert_close(images[b].select(axis + 1, s), back[0], atol=1e-5, rtol=1e-4)


@torch.no_grad()
def test_any_number_of_slices_works(slices):
    network = SlicewiseAutoencoder(slices)
    for number in (1, 7):
        mean, _ = network.raw_moments(torch.rand(1, 1, 8, 8, number))
        assert mean.shape == (1, 3, number, 4, 4)


def test_statistics_are_those_of_the_slices(slices):
    SlicewiseAutoencoder(slices).set_latent_statistics(torch.zeros(3), torch.full((3,), 4.0))
    assert slices.latent_std.tolist() == [4.0] * 3


def test_bad_arguments_are_refused(slices):
    with pytest.raises(ValueError, match="slice_axis is 3, allowed are 0"):
        SlicewiseAutoencoder(slices, slice_axis=3)
    with pytest.raises(ValueError, match="slices_per_pass must be at least 1, got 0"):
        SlicewiseAutoencoder(slices, slices_per_pass=0)


def test_latents_along_another_axis_are_not_taken_from_the_cache(slices):
    keys = {module_fingerprint(SlicewiseAutoencoder(slices, slice_axis=axis)) for axis in (0, 1, 2)}
    assert len(keys) == 3
