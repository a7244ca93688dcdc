from __future__ import annotations

import pytest
import torch
from brain_bundles.inferers import Denoiser, LatentDecoder, LatentSampler, SliceWindows, VolumeTranslator
from brain_bundles.networks import SlicewiseAutoencoder
from brain_bundles.schedulers import DenoisingSteps, make_scheduler
from brain_bundles.utils.seeding import derive_seed


@pytest.fixture(scope="module")
def autoencoder(make_autoencoder):
    slices = make_autoencoder(2).eval()
    slices.set_latent_statistics([0.1, -0.1], [0.5, 2.0])
    return SlicewiseAutoencoder(slices)


class Network(torch.nn.Module):
    """Predicts noise from the noisy latent and the source's; remembers the shapes of its inputs."""

    def __init__(self) -> None:
        super().__init__()
        self.shapes: list[tuple[int, ...]] = []

    def forward(self, x, timesteps, context=None):
        self.shapes.append(tuple(x.shape))
        assert context is None
        return torch.tanh(x[:, :2] + 0.5 * x[:, 2:])


def translator(autoencoder, **options) -> VolumeTranslator:
    scheduler = make_scheduler("ddim", prediction_type="epsilon", num_train_timesteps=10)
    sampler = LatentSampler(
        DenoisingSteps(scheduler, 3),
        Denoiser("concat", precision="fp32"),
        LatentDecoder(autoencoder, precision="fp32"),
        latent_shape=None,
    )
    return VolumeTranslator(sampler, **options)


@pytest.fixture
def source():
    return torch.rand(2, 1, 8, 12, 10, generator=torch.Generator().manual_seed(0))


def test_it_encodes_walks_beside_the_source_and_decodes(autoencoder, source):
    made = translator(autoencoder)(source, Network(), seeds=[1, 2])
    condition = autoencoder.encode_moments(source)[0].detach()
    sampler = translator(autoencoder).sampler
    latents = sampler.sample_latents(condition, Network(), seeds=[1, 2])
    assert made.shape == source.shape
    torch.testing.assert_close(made, sampler.decoder(latents))


def test_the_source_is_encoded_once_for_all_steps_and_draws(autoencoder, source, monkeypatch):
    calls = []
    original = autoencoder.encode_moments
    monkeypatch.setattr(autoencoder, "encode_moments", lambda x: calls.append(1) or original(x))
    translator(autoencoder, num_draws=3)(source, Network(), seeds=[1, 2])
    assert len(calls) == 1


def test_a_volume_does_not_depend_on_the_batch(autoencoder, source):
    both = translator(autoencoder)(source, Network(), seeds=[1, 2])
    torch.testing.assert_close(
        both[1:], translator(autoencoder)(source[1:], Network(), seeds=[2]), atol=1e-5, rtol=1e-5
    )


def test_draws_are_those_of_derived_seeds_and_the_first_is_the_single_one(autoencoder, source):
    made = translator(autoencoder, num_draws=3)(source[:1], Network(), seeds=[7])
    single = translator(autoencoder)
    seeds = 7, derive_seed(7, "draw", 1), derive_seed(7, "draw", 2)
    draws = [single(source[:1], Network(), seeds=[seed]) for seed in seeds]
    stack = torch.stack(draws)
    torch.testing.assert_close(made[:, :1], stack.mean(0), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(made[:, 1:], stack.std(0), atol=1e-5, rtol=1e-4)


def test_windows_bound_what_the_network_sees(autoencoder, source):
    network = Network()
    translator(autoencoder, windows=SliceWindows(4))(source, network, seeds=[1, 2])
    assert {shape[:3] for shape in network.shapes} == {(1, 4, 4)}


def test_windows_do_not_change_what_a_network_of_slices_makes(autoencoder, source):
    whole = translator(autoencoder)(source, Network(), seeds=[1, 2])
    fused = translator(autoencoder, windows=SliceWindows(4))(source, Network(), seeds=[1, 2])
    torch.testing.assert_close(fused, whole, atol=1e-5, rtol=1e-5)


def test_windows_that_had_to_shrink_do_not_shrink_the_next_volume_s(autoencoder, source):
    """The window that fits is remembered for one call only: a volume must not depend on earlier ones."""
    small = source[:1, :, :4]

    class Greedy(Network):
        def forward(self, x, timesteps, context=None):
            if x[0, 0, 0].numel() * x.shape[2] > 30 * 4:
                raise torch.OutOfMemoryError("too much")
            return super().forward(x, timesteps)

    network, made = Greedy(), translator(autoencoder)
    made(source[:1], network, seeds=[1])
    assert {shape[2] for shape in network.shapes} == {5}
    network.shapes.clear()
    made(small, network, seeds=[1])
    assert {shape[2] for shape in network.shapes} == {10}


def test_bad_arguments_are_refused(autoencoder):
    scheduler = make_scheduler("ddim", prediction_type="epsilon", num_train_timesteps=10)
    steps, decoder = DenoisingSteps(scheduler, 2), LatentDecoder(autoencoder)
    tokens = LatentSampler(steps, Denoiser(), decoder, latent_shape=(2, 4, 4, 4))
    with pytest.raises(ValueError, match="the sampler's mode is 'crossattn'; a translation needs 'concat'"):
        VolumeTranslator(tokens)
    with pytest.raises(ValueError, match="num_draws must be at least 1, got 0"):
        translator(autoencoder, num_draws=0)
    with pytest.raises(ValueError, match="latent_shape is needed with mode 'crossattn'"):
        LatentSampler(steps, Denoiser(), decoder, latent_shape=None)


def test_the_first_volume_of_a_process_is_encoded_as_the_later_ones(make_autoencoder):
    """In bf16 channels are last in memory, which changes the last bits: from the first pass on, not from the second."""
    autoencoder = make_autoencoder(channels=(16, 32), norm_num_groups=4).eval()
    decoder = LatentDecoder(autoencoder, precision="bf16", channels_last=True)
    steps = DenoisingSteps(make_scheduler("ddim", prediction_type="epsilon", num_train_timesteps=10), 3)
    sampler = LatentSampler(steps, Denoiser("concat", precision="bf16"), decoder, latent_shape=None)
    x = torch.rand(1, 1, 24, 32, 24, generator=torch.Generator().manual_seed(0))
    first = VolumeTranslator(sampler).encode(x)
    decoder(first)
    assert torch.equal(VolumeTranslator(sampler).encode(x), first)
