from __future__ import annotations

import pytest
import torch
from brain_bundles.inferers import LatentDecoder
from monai.networks.nets import AutoencoderKL


@pytest.fixture
def latents() -> torch.Tensor:
    return torch.randn(3, 2, 4, 4, 4, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("options", [{}, {"slab_size": 3}, {"channels_last": True}])
def test_images_are_the_decoded_latents_clipped(autoencoder, latents, options):
    with torch.no_grad():
        expected = autoencoder.decode_stage_2_outputs(latents).clamp(0, 1)
    images = LatentDecoder(autoencoder, precision="fp32", **options)(latents)
    assert images.dtype == torch.float32
    torch.testing.assert_close(images, expected, rtol=1e-4, atol=1e-4)


def test_samples_are_decoded_one_by_one(autoencoder, latents):
    sizes = []
    handle = autoencoder.decoder.register_forward_pre_hook(lambda module, inputs: sizes.append(len(inputs[0])))
    LatentDecoder(autoencoder, precision="fp32")(latents)
    handle.remove()
    assert sizes == [1, 1, 1]


def test_slabs_need_our_autoencoder():
    plain = AutoencoderKL(spatial_dims=3, channels=(4,), attention_levels=(False,), num_res_blocks=1, norm_num_groups=4)
    with pytest.raises(ValueError, match="decode_slab_size needs a LatentAutoencoderKL, got a AutoencoderKL"):
        LatentDecoder(plain, slab_size=4)


def test_bad_arguments_are_refused_at_once(autoencoder):
    with pytest.raises(ValueError, match="decode_slab_size must be a positive number of slices, got 0"):
        LatentDecoder(autoencoder, slab_size=0)
    with pytest.raises(ValueError, match="precision is 'half'; allowed: fp32, bf16, fp16, auto"):
        LatentDecoder(autoencoder, precision="half")
