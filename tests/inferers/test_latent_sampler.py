from __future__ import annotations

import inspect

import pytest
import torch
from brain_bundles.inferers import LatentSampler
from brain_bundles.networks import LatentAutoencoderKL, VelocityPreconditioning
from brain_bundles.schedulers import make_scheduler
from brain_bundles.utils.seeding import generator_for
from monai.networks.nets import AutoencoderKL, DiffusionModelUNet
from monai.networks.schedulers import DDIMScheduler

SAMPLERS = [
    ("ddim", "epsilon", {}),
    ("ddim", "epsilon", {"eta": 1.0}),
    ("dpm_solver", "v_prediction", {}),
    ("ddpm", "epsilon", {}),
    ("rflow", "rectified_flow", {}),
    ("rflow", "rectified_flow", {"use_timestep_transform": True}),
]
IDS = ["-".join([name, *map(str, options)]) for name, _, options in SAMPLERS]
SHAPE = (2, 4, 4, 4)
SEEDS = [11, 12, 13]


@pytest.fixture(scope="module")
def network() -> DiffusionModelUNet:
    torch.manual_seed(0)
    net = DiffusionModelUNet(
        spatial_dims=3,
        in_channels=2,
        out_channels=2,
        channels=(8, 8),
        attention_levels=(False, True),
        num_res_blocks=1,
        num_head_channels=8,
        norm_num_groups=4,
        with_conditioning=True,
        cross_attention_dim=4,
    ).eval()
    for parameter in net.parameters():  # the zero-initialised layers would hide the condition
        if parameter.ndim > 1:
            torch.nn.init.normal_(parameter, 0.0, 0.1)
    return net


@pytest.fixture(scope="module")
def autoencoder() -> LatentAutoencoderKL:
    torch.manual_seed(1)
    net = LatentAutoencoderKL(
        spatial_dims=3,
        channels=(4, 8),
        attention_levels=(False, False),
        num_res_blocks=1,
        latent_channels=2,
        norm_num_groups=4,
        with_encoder_nonlocal_attn=False,
        with_decoder_nonlocal_attn=False,
    ).eval()
    net.set_latent_statistics([0.1, -0.1], [0.5, 2.0])
    return net


@pytest.fixture
def context() -> torch.Tensor:
    return torch.rand(3, 1, 4, generator=torch.Generator().manual_seed(2))


def make(autoencoder, sampler="ddim", prediction_type="epsilon", options=None, **kwargs) -> LatentSampler:
    options = {"num_train_timesteps": 10, **(options or {})}
    scheduler = make_scheduler(sampler, prediction_type=prediction_type, **options)
    kwargs = {
        "latent_shape": SHAPE,
        "num_inference_steps": 10 if sampler == "ddpm" else 3,
        "precision": "fp32",
        **kwargs,
    }
    return LatentSampler(scheduler, autoencoder, **kwargs)


@pytest.mark.parametrize(("sampler", "prediction_type", "options"), SAMPLERS, ids=IDS)
def test_a_batch_equals_its_samples_one_by_one(network, autoencoder, context, sampler, prediction_type, options):
    sample = make(autoencoder, sampler, prediction_type, options)
    batch = sample(context, network, seeds=SEEDS)
    assert batch.shape == (3, 1, 8, 8, 8)
    assert batch.dtype == torch.float32
    assert float(batch.min()) >= 0.0
    assert float(batch.max()) <= 1.0
    assert float(batch.std()) > 1e-3
    torch.manual_seed(99)  # the global random state plays no part
    for index in (2, 0, 1):
        alone = sample(context[index : index + 1], network, seeds=SEEDS[index : index + 1])
        torch.testing.assert_close(alone[0], batch[index], rtol=1e-4, atol=1e-4)  # float32, other kernels per batch


@pytest.mark.parametrize("sampler", ["dpm_solver", "ddpm"])
def test_padding_gives_the_same_bytes_whichever_batch(network, autoencoder, context, sampler):
    sample = make(autoencoder, sampler, batch_size=2)
    expected = sample(context, network, seeds=SEEDS)  # two and one
    for index in range(3):
        alone = sample(context[index : index + 1], network, seeds=SEEDS[index : index + 1])
        assert torch.equal(alone[0], expected[index])


def test_the_network_sees_the_padded_batch_and_the_noise_of_the_seed(autoencoder, context):
    seen = []

    def network(x, timesteps, context):
        seen.append((x.clone(), timesteps, context))
        return torch.zeros_like(x)

    latents = make(autoencoder, batch_size=5).sample_latents(context, network, seeds=SEEDS)
    assert latents.shape == (3, *SHAPE)
    x, timesteps, padded = seen[0]
    assert x.shape == (5, *SHAPE)
    assert timesteps.tolist() == [9] * 5
    torch.testing.assert_close(padded[3:], context[2:].expand(2, 1, 4), rtol=0, atol=0)
    for index, seed in enumerate(SEEDS):
        noise = torch.randn(SHAPE, generator=generator_for(seed, "noise"))
        torch.testing.assert_close(x[index], noise, rtol=0, atol=0)


def test_seed_and_condition_both_matter(network, autoencoder, context):
    sample = make(autoencoder)
    first = sample.sample_latents(context, network, seeds=SEEDS)
    assert torch.equal(first, sample.sample_latents(context, network, seeds=torch.tensor(SEEDS)))
    assert not torch.allclose(first, sample.sample_latents(context, network, seeds=[21, 22, 23]), atol=1e-2)
    assert not torch.allclose(first, sample.sample_latents(1 - context, network, seeds=SEEDS), atol=1e-5)


def test_the_scheduler_gets_float32_and_the_latents_are_its_last_word(autoencoder, context):
    """A network that always predicts zero noise: DDIM multiplies by 1 / sqrt(alpha_bar) in all."""
    sample = make(autoencoder, precision="bf16")
    latents = sample.sample_latents(context, lambda x, timesteps, context: torch.zeros_like(x).bfloat16(), seeds=SEEDS)
    assert latents.dtype == torch.float32
    noise = torch.stack([torch.randn(SHAPE, generator=generator_for(seed, "noise")) for seed in SEEDS])
    torch.testing.assert_close(latents, noise / sample.scheduler.alphas_cumprod[9].sqrt())


@pytest.mark.parametrize(("sampler", "prediction_type"), [("ddim", "epsilon"), ("dpm_solver", "v_prediction")])
def test_a_walk_from_latents_begins_in_the_middle(network, autoencoder, context, sampler, prediction_type):
    make_one = make(autoencoder, sampler, prediction_type, num_inference_steps=8, start_fraction=0.4)
    start, seen = torch.randn(3, *SHAPE, generator=torch.Generator().manual_seed(3)), []

    def watched(x, timesteps, context):
        seen.append((x.clone(), timesteps.clone()))
        return network(x, timesteps=timesteps, context=context)

    latents = make_one.sample_latents(context, watched, seeds=SEEDS, start=start)
    times = [int(t[0]) for _, t in seen]
    assert times == [int(t) for t in make_one.scheduler.timesteps if t <= 4]
    assert 0 < len(times) < 8
    noise = torch.stack([torch.randn(SHAPE, generator=generator_for(seed, "noise")) for seed in SEEDS])
    torch.testing.assert_close(seen[0][0], make_one.scheduler.add_noise(start, noise, torch.tensor([times[0]] * 3)))
    alone = make_one.sample_latents(context[1:2], network, seeds=SEEDS[1:2], start=start[1:2])
    torch.testing.assert_close(latents[1:2], alone, rtol=1e-4, atol=1e-4)
    assert not torch.equal(latents, make_one.sample_latents(context, network, seeds=SEEDS))


def test_a_walk_from_latents_takes_one_step_at_least(network, autoencoder, context):
    sampler, start = make(autoencoder, num_inference_steps=1, start_fraction=0.01), torch.zeros(3, *SHAPE)
    assert sampler.sample_latents(context, network, seeds=SEEDS, start=start).shape == start.shape


def test_images_are_the_decoded_latents_clipped(network, autoencoder, context):
    sample = make(autoencoder)
    latents = sample.sample_latents(context, network, seeds=SEEDS)
    with torch.no_grad():
        expected = autoencoder.decode_stage_2_outputs(latents).clamp(0, 1)
    torch.testing.assert_close(sample(context, network, seeds=SEEDS), expected, rtol=1e-4, atol=1e-5)
    slabs = make(autoencoder, decode_slab_size=3)(context, network, seeds=SEEDS)
    torch.testing.assert_close(slabs, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("channels_last", [None, False, True])
def test_bfloat16_is_close_to_float32(network, autoencoder, context, channels_last):
    exact = make(autoencoder).sample_latents(context, network, seeds=SEEDS)
    low = make(autoencoder, precision="bf16", channels_last=channels_last).sample_latents(context, network, seeds=SEEDS)
    assert 0 < float((low - exact).std() / exact.std()) < 0.03  # 3 digits per layer


def test_channels_last_changes_no_value_and_leaves_the_network_trainable(network, autoencoder, context):
    expected = make(autoencoder)(context, network, seeds=SEEDS)
    with torch.inference_mode():
        result = make(autoencoder, channels_last=True)(context, network, seeds=SEEDS)
    torch.testing.assert_close(result, expected, rtol=1e-4, atol=1e-5)
    network(torch.zeros(1, *SHAPE), torch.zeros(1), context[:1]).sum().backward()
    network.zero_grad()


@pytest.mark.parametrize(("sampler", "prediction_type", "options"), SAMPLERS[:-1], ids=IDS[:-1])
def test_a_walk_that_ends_early_ends_with_the_predicted_clean_latents(
    network, autoencoder, context, sampler, prediction_type, options
):
    early = make(autoencoder, sampler, prediction_type, options, num_inference_steps=10, end_fraction=0.35)
    times = []

    def watched(x, timesteps, context):
        times.append(float(timesteps[0]))
        return network(x, timesteps=timesteps, context=context)

    steps, step = [], early.scheduler.step
    early.scheduler.step = lambda *args, **kwargs: steps.append(step(*args, **kwargs)) or steps[-1]
    early._draws_noise = "generator" in inspect.signature(step).parameters
    latents = early.sample_latents(context, watched, seeds=SEEDS)
    assert times == [float(t) for t in early.scheduler.timesteps if t >= 3.5]
    assert 0 < len(times) < 10
    last = steps[-3:] if early._draws_noise else steps[-1:]
    torch.testing.assert_close(latents, torch.cat([clean for _, clean in last]))
    assert not torch.equal(latents, torch.cat([following for following, _ in last]))


def test_a_walk_that_ends_before_it_begins_takes_one_step(network, autoencoder, context):
    sampler = make(autoencoder, num_inference_steps=2, start_fraction=0.5, end_fraction=0.45)
    start = torch.zeros(3, *SHAPE)
    assert sampler.sample_latents(context, network, seeds=SEEDS, start=start).shape == start.shape


@pytest.mark.parametrize("temperature", [1.0, 0.5])
@pytest.mark.parametrize("deviations", [(1.0, 1.0), (4.0, 0.5)])
@pytest.mark.parametrize(
    ("sampler", "prediction_type"),
    [("ddim", "epsilon"), ("dpm_solver", "v_prediction"), ("rflow", "rectified_flow")],
)
def test_a_normal_density_is_sampled_with_its_variance_times_the_temperature(
    autoencoder, sampler, prediction_type, deviations, temperature
):
    """The network is exact: given x = a x_0 + b n, x_0 is a s^2 x and n is b x over a^2 s^2 + b^2 on average."""
    sample = make(autoencoder, sampler, prediction_type, options={"num_train_timesteps": 1000}, temperature=temperature)
    sample.num_inference_steps, sample.latent_shape = 500, (2, 20, 20, 20)
    variance = torch.tensor(deviations).square().reshape(-1, 1, 1, 1)

    class Exact(torch.nn.Module):
        def __init__(self):
            super().__init__()
            if deviations != (1.0, 1.0):
                discrete = make_scheduler("ddim", prediction_type="v_prediction")
                self.preconditioning = VelocityPreconditioning(2, discrete)
                self.preconditioning.set_std(torch.tensor(deviations))

        def forward(self, x, timesteps, context):
            if sampler == "rflow":
                b = timesteps.reshape(-1, 1, 1, 1, 1) / 1000
                a = 1 - b
            else:
                signal = sample.scheduler.alphas_cumprod[timesteps.long()].reshape(-1, 1, 1, 1, 1)
                a, b = signal.sqrt(), (1 - signal).sqrt()
            unit = x / (a**2 * variance + b**2)
            clean, noise = a * variance * unit, b * unit
            return {"epsilon": noise, "v_prediction": a * noise - b * clean}.get(prediction_type, clean - noise)

    latents = sample.sample_latents(torch.zeros(1, 1, 4), Exact(), seeds=[0])
    for channel, deviation in enumerate(deviations):
        assert float(latents[:, channel].var()) == pytest.approx(deviation**2 * temperature, rel=0.05)


def test_monai_schedulers_work_too(network, autoencoder, context):
    scheduler = DDIMScheduler(num_train_timesteps=10, clip_sample=False)
    sample = LatentSampler(scheduler, autoencoder, latent_shape=SHAPE, num_inference_steps=5, precision="fp32")
    assert bool(sample(context, network, seeds=SEEDS).isfinite().all())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"start_fraction": 0.0}, "start_fraction must be above 0 and at most 1, got 0.0"),
        ({"latent_shape": (2, 4)}, r"latent_shape must be \(C, D, H, W\) or \(C, H, W\), all positive, got \[2, 4\]"),
        ({"precision": "half"}, "precision is 'half'; allowed: fp32, bf16, fp16, auto"),
        ({"batch_size": 0}, "batch_size must be positive, got 0"),
        ({"end_fraction": 1.0}, r"end_fraction must be at least 0 and below start_fraction, got 1\.0"),
        ({"temperature": 0.0}, r"temperature must be positive, got 0\.0"),
        ({"decode_slab_size": 0}, "decode_slab_size must be a positive number of slices, got 0"),
        ({"num_inference_steps": 11}, "num_inference_steps must be between 1 and 10"),
        ({"sampler": "ddpm", "num_inference_steps": 5}, "DDPM takes exactly the 10 steps"),
    ],
)
def test_bad_arguments_are_refused_at_once(autoencoder, arguments, message):
    with pytest.raises(ValueError, match=message):
        make(autoencoder, **arguments)


def test_slabs_need_our_autoencoder():
    plain = AutoencoderKL(spatial_dims=3, channels=(4,), attention_levels=(False,), num_res_blocks=1, norm_num_groups=4)
    with pytest.raises(ValueError, match="decode_slab_size needs a LatentAutoencoderKL, got a AutoencoderKL"):
        make(plain, decode_slab_size=4)


def test_bad_calls_are_refused(network, autoencoder, context):
    sample = make(autoencoder)
    with pytest.raises(ValueError, match="got 2 seeds for 3 samples; give one seed per sample"):
        sample(context, network, seeds=[1, 2])
    with pytest.raises(ValueError, match=r"condition must have shape \(B, T, K\) with B > 0, got \(3, 4\)"):
        sample(context[:, 0], network, seeds=SEEDS)
    with pytest.raises(ValueError, match="fp16"):
        make(autoencoder, precision="fp16")(context, network, seeds=SEEDS)
    bad = torch.tensor([0.0, float("nan"), 0.0]).view(3, 1, 1, 1, 1)
    with pytest.raises(ValueError, match=r"NaN or infinity for seeds \[12\]"):
        sample(context, lambda x, timesteps, context: x + bad, seeds=SEEDS)
