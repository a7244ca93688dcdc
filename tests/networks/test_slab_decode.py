from __future__ import annotations

import weakref

import pytest
import torch
import torch.nn.functional as F
from brain_bundles.networks import LatentAutoencoderKL
from brain_bundles.networks.slab_decode import decode_in_slabs, fold_upsampling
from brain_bundles.networks.volume_norm import group_moments
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

SHAPES = {
    "like the paper": {"channels": (8, 16, 16, 16)},
    "narrower by less than half": {"channels": (12, 16, 8)},
    "wider towards the image": {"channels": (16, 8, 16)},
    "attention": {"channels": (8, 8, 16), "attention_levels": (False, True, False), "attend_in_middle": True},
    "trained upsampling": {"channels": (8, 16), "use_convtranspose": True},
    "patches": {"channels": (8, 16), "patch_size": 2},
}


def autoencoder(channels, attention_levels=None, attend_in_middle=False, **kwargs) -> LatentAutoencoderKL:
    torch.manual_seed(0)
    net = LatentAutoencoderKL(
        spatial_dims=3,
        channels=channels,
        attention_levels=attention_levels or (False,) * len(channels),
        num_res_blocks=2,
        latent_channels=3,
        norm_num_groups=4,
        with_encoder_nonlocal_attn=False,
        with_decoder_nonlocal_attn=attend_in_middle,
        **kwargs,
    ).eval()
    for parameter in net.parameters():  # biases and norms away from 0 and 1, where mistakes hide
        if parameter.ndim == 1:
            torch.nn.init.normal_(parameter, 0.5, 0.5)
    net.set_latent_statistics([0.5, -1.0, 0.1], [2.0, 0.5, 1.0])
    return net


def latent(batch: int = 1, size: tuple[int, ...] = (3, 4, 2)) -> torch.Tensor:
    return torch.randn(batch, 3, *size, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("slab_size", [1, 3, 4, 7, 1000])
@pytest.mark.parametrize("shape", SHAPES)
def test_equals_the_plain_decoder(shape, slab_size):
    net, z = autoencoder(**SHAPES[shape]), latent(batch=2)
    before = z.clone()
    with torch.inference_mode():
        plain = net.decode_stage_2_outputs(z)
        slabs = net.decode_stage_2_outputs(z, slab_size=slab_size)
    assert float((slabs - plain).abs().max() / plain.abs().max()) < 1e-5  # float32; 6e-6 measured, with attention
    torch.testing.assert_close(z, before, rtol=0, atol=0)


@pytest.mark.parametrize("slab_size", [2, 5])
def test_equals_the_plain_decoder_in_channels_last(slab_size):
    net = autoencoder(**SHAPES["like the paper"]).to(memory_format=torch.channels_last_3d)
    z = latent().contiguous(memory_format=torch.channels_last_3d)
    with torch.inference_mode():
        torch.testing.assert_close(
            net.decode_stage_2_outputs(z, slab_size=slab_size), net.decode_stage_2_outputs(z), rtol=1e-4, atol=1e-5
        )


def test_bfloat16_is_as_near_to_float32_as_the_plain_decoder():
    net, z = autoencoder(**SHAPES["like the paper"]), latent()
    with torch.inference_mode():
        exact = net.decode_stage_2_outputs(z)
        with torch.autocast("cpu", torch.bfloat16):
            plain, slabs = net.decode_stage_2_outputs(z), net.decode_stage_2_outputs(z, slab_size=5)
    assert float((slabs - exact).std()) < 1.5 * float((plain - exact).std())


def test_a_sample_does_not_depend_on_its_batch():
    net, z = autoencoder(**SHAPES["like the paper"]), latent(batch=3)
    whole = net.decode_stage_2_outputs(z, slab_size=4)
    for index in range(3):
        alone = net.decode_stage_2_outputs(z[index : index + 1], slab_size=4)
        torch.testing.assert_close(whole[index : index + 1], alone, rtol=0, atol=0)


def test_training_is_not_disturbed():
    """Under autograd the weights stay free of gradients and untouched."""
    net = autoencoder(**SHAPES["like the paper"])
    before = [parameter.clone() for parameter in net.parameters()]
    assert not net.decode_stage_2_outputs(latent(), slab_size=4).requires_grad
    torch.testing.assert_close(list(net.parameters()), before, rtol=0, atol=0)


def test_folded_upsampling_equals_nearest_then_convolution():
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(2, 3, 4, 3, 5, dtype=torch.float64, generator=generator)
    weight = torch.randn(7, 3, 3, 3, 3, dtype=torch.float64, generator=generator)
    expected = F.conv3d(F.interpolate(x, scale_factor=2, mode="nearest"), weight, padding=1)
    torch.testing.assert_close(F.conv_transpose3d(x, fold_upsampling(weight), stride=2, padding=1), expected)


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last_3d])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_group_moments_of_strided_parts(memory_format, dtype):
    x = 10 + torch.randn(1, 8, 7, 5, 6, generator=torch.Generator().manual_seed(0))
    x = x.to(dtype).contiguous(memory_format=memory_format)
    for part in (x, x[:, 4:]):  # a view of half of the channels is contiguous in no format
        mean, variance = group_moments(part, 2, slab_size=2)
        groups = part.double().reshape(2, -1)
        torch.testing.assert_close(mean, groups.mean(1), rtol=1e-5, atol=0)
        # PyTorch's channels-last GroupNorm subtracts squares in float32: 1e-7 times (mean / std)^2
        torch.testing.assert_close(variance, groups.var(1, correction=0), rtol=2e-4, atol=0)


class LiveBytes(TorchDispatchMode):
    """Count the bytes of living tensors that operators returned."""

    def __init__(self) -> None:
        super().__init__()
        self.users: dict[int, int] = {}
        self.bytes = self.peak = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(result):
            if isinstance(tensor, torch.Tensor):
                storage = tensor.untyped_storage()
                key, size = storage._cdata, storage.nbytes()
                if key not in self.users:
                    self.bytes += size
                self.users[key] = self.users.get(key, 0) + 1
                self.peak = max(self.peak, self.bytes)
                weakref.finalize(tensor, self.release, key, size)
        return result

    def release(self, key: int, size: int) -> None:
        self.users[key] -= 1
        if not self.users[key]:
            del self.users[key]
            self.bytes -= size


def test_live_tensors_stay_below_half_of_the_plain_decoder():
    net, z = autoencoder(channels=(8, 16, 16, 16)), latent(size=(5, 2, 3))
    peaks = []
    for slab_size in (None, 2):
        with torch.inference_mode(False), torch.no_grad(), LiveBytes() as live:
            net.decode_stage_2_outputs(z, slab_size=slab_size)
        peaks.append(live.peak)
    full_size = 4 * 16 * (5 * 2 * 3 * 8**3)  # the widest tensor at image size
    assert peaks[0] >= 2 * full_size
    assert peaks[1] < 1.5 * full_size
    assert peaks[1] < 0.5 * peaks[0]


@pytest.mark.parametrize("slab_size", [0, -1, 2.0, True])
def test_bad_slab_size_is_refused(slab_size):
    with pytest.raises(ValueError, match=f"slab_size must be a positive number of slices .* got {slab_size}"):
        autoencoder(channels=(4, 4)).decode_stage_2_outputs(latent(), slab_size=slab_size)


def test_two_dimensions_are_refused():
    with pytest.raises(ValueError, match="decoding in slabs is for 3D volumes"):
        decode_in_slabs(autoencoder(channels=(4, 4)).decoder, torch.zeros(1, 3, 4, 4), 2)
