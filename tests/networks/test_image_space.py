from __future__ import annotations

import pytest
import torch
from brain_bundles.networks import ImageSpace, SlicewiseAutoencoder, latent_shape


def test_images_become_minus_one_to_one_and_come_back():
    image = torch.rand(2, 1, 4, 5, 6)
    mean, sigma = ImageSpace().encode_moments(image)
    torch.testing.assert_close(mean, 2 * image - 1)
    assert not bool(sigma.any())
    torch.testing.assert_close(ImageSpace().decode_stage_2_outputs(mean), image)
    assert torch.equal(ImageSpace().reconstruct(image), image)
    torch.testing.assert_close(ImageSpace(mean=0.1, std=0.2).encode_moments(image)[0], (image - 0.1) / 0.2)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_it_stands_in_the_place_of_an_autoencoder_of_slices(axis):
    image = torch.rand(2, 1, 4, 5, 6)
    slicewise = SlicewiseAutoencoder(ImageSpace(), slice_axis=axis)
    mean, _ = slicewise.encode_moments(image)
    torch.testing.assert_close(mean, 2 * image.movedim(axis + 2, 2) - 1)
    torch.testing.assert_close(slicewise.decode_stage_2_outputs(mean), image)
    assert latent_shape(ImageSpace(), (4, 5, 6)) == [1, 4, 5, 6]


def test_a_unit_that_is_not_positive_is_refused():
    with pytest.raises(ValueError, match=r"latent std must be positive, got \[0.0\]"):
        ImageSpace(std=0.0)
