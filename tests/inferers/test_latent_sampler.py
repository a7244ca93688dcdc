from __future__ import annotations

import functools
import inspect

import pytest
import torch
from brain_bundles.inferers import Denoiser, LatentDecoder, LatentSampler
from brain_bundles.schedulers import DenoisingSteps, make_scheduler
from brain_bundles.utils.seeding import generator_for
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


def make(autoencoder, sampler="ddim", prediction_type="epsilon", options=None, **kwargs) -> LatentSampler:
    """A sampler in fp32 with three steps; each keyword goes to its part."""
    scheduler = make_scheduler(
        sampler, prediction_type=prediction_type, **{"num_train_timesteps": 10, **(options or {})}
    )
    kwargs = {"num_inference_steps": 10 if sampler == "ddpm" else 3, "precision": "fp32", **kwargs}

    def of(*names: str) -> dict:
        return {name: kwargs[name] for name in names if name in kwargs}

    return LatentSampler(
        DenoisingSteps(scheduler, **of("num_inference_steps", "denoising_start", "denoising_end")),
        Denoiser(**of("mode", "precision", "channels_last")),
        LatentDecoder(autoencoder, **of("precision", "channels_last", "slab_size")),
        **{"latent_shape": SHAPE, **of("latent_shape", "batch_size", "progress")},
    )


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
    torch.testing.assert_close(latents, noise / sample.steps.scheduler.alphas_cumprod[9].sqrt())


@pytest.mark.parametrize(("sampler", "prediction_type"), [("ddim", "epsilon"), ("dpm_solver", "v_prediction")])
def test_a_walk_from_latents_begins_in_the_middle(network, autoencoder, context, sampler, prediction_type):
    make_one = make(autoencoder, sampler, prediction_type, num_inference_steps=8, denoising_start=0.6)
    start, seen = torch.randn(3, *SHAPE, generator=torch.Generator().manual_seed(3)), []

    def watched(x, timesteps, context):
        seen.append((x.clone(), timesteps.clone()))
        return network(x, timesteps=timesteps, context=context)

    latents = make_one.sample_latents(context, watched, seeds=SEEDS, start=start)
    times = [int(t[0]) for _, t in seen]
    scheduler, timesteps = make_one.steps.begin()
    assert times == [int(t) for t in timesteps if t <= 4]
    assert 0 < len(times) < 8
    noise = torch.stack([torch.randn(SHAPE, generator=generator_for(seed, "noise")) for seed in SEEDS])
    torch.testing.assert_close(seen[0][0], scheduler.add_noise(start, noise, torch.tensor([times[0]] * 3)))
    alone = make_one.sample_latents(context[1:2], network, seeds=SEEDS[1:2], start=start[1:2])
    torch.testing.assert_close(latents[1:2], alone, rtol=1e-4, atol=1e-4)
    assert not torch.equal(latents, make_one.sample_latents(context, network, seeds=SEEDS))


@pytest.mark.parametrize("start", [None, torch.full((2, *SHAPE), 0.5)], ids=["noise", "latents"])
def test_a_walk_from_the_noise_of_seeds_is_theirs(network, autoencoder, context, start):
    sampler = make(autoencoder, num_inference_steps=4, denoising_start=0.4)
    expected = sampler.sample_latents(context[:2], network, seeds=SEEDS[:2], start=start)
    noise = torch.stack([torch.randn(SHAPE, generator=generator_for(seed, "noise")) for seed in SEEDS[:2]])
    with torch.no_grad():
        found = sampler.walk(noise, context[:2], network, sampler.steps.begin(from_noise=start is None), start=start)
    assert torch.equal(found, expected)


def test_a_walk_from_latents_takes_one_step_at_least(network, autoencoder, context):
    sampler, start = make(autoencoder, num_inference_steps=1, denoising_start=0.99), torch.zeros(3, *SHAPE)
    assert sampler.sample_latents(context, network, seeds=SEEDS, start=start).shape == start.shape


def test_images_are_the_decoded_latents_clipped(network, autoencoder, context):
    sample = make(autoencoder)
    latents = sample.sample_latents(context, network, seeds=SEEDS)
    with torch.no_grad():
        expected = autoencoder.decode_stage_2_outputs(latents).clamp(0, 1)
    torch.testing.assert_close(sample(context, network, seeds=SEEDS), expected, rtol=1e-4, atol=1e-5)
    slabs = make(autoencoder, slab_size=3)(context, network, seeds=SEEDS)
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
    network, autoencoder, context, monkeypatch, sampler, prediction_type, options
):
    early = make(autoencoder, sampler, prediction_type, options, num_inference_steps=10, denoising_end=0.65)
    times = []

    def watched(x, timesteps, context):
        times.append(float(timesteps[0]))
        return network(x, timesteps=timesteps, context=context)

    kind = type(early.steps.scheduler)
    steps, step = [], kind.step

    @functools.wraps(step)  # keeps the signature, which says if the step draws noise
    def spied(*args, **kwargs):
        steps.append(step(*args, **kwargs))
        return steps[-1]

    monkeypatch.setattr(kind, "step", spied)
    latents = early.sample_latents(context, watched, seeds=SEEDS)
    assert times == [float(t) for t in DenoisingSteps(early.steps.scheduler, 10).begin()[1] if t >= 3.5]
    assert 0 < len(times) < 10
    last = steps[-3:] if "generator" in inspect.signature(step).parameters else steps[-1:]
    torch.testing.assert_close(latents, torch.cat([clean for _, clean in last]))
    assert not torch.equal(latents, torch.cat([following for following, _ in last]))


def test_a_walk_that_ends_before_it_begins_takes_one_step(network, autoencoder, context):
    sampler = make(autoencoder, num_inference_steps=2, denoising_start=0.5, denoising_end=0.55)
    start = torch.zeros(3, *SHAPE)
    assert sampler.sample_latents(context, network, seeds=SEEDS, start=start).shape == start.shape


def test_calls_leave_nothing_behind(network, autoencoder, context):
    """Neither a walk in parts nor an interrupted walk changes later calls or the parts."""
    sample = make(autoencoder, "dpm_solver", num_inference_steps=6, denoising_start=0.5, denoising_end=0.8)
    start = torch.randn(3, *SHAPE, generator=torch.Generator().manual_seed(3))
    expected = sample(context, network, seeds=SEEDS)
    timesteps = sample.steps.scheduler.timesteps.clone()
    calls = []

    def breaks(x, timesteps, context):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return network(x, timesteps=timesteps, context=context)

    with pytest.raises(KeyboardInterrupt):
        sample(context, breaks, seeds=SEEDS)
    sample.sample_latents(1 - context, network, seeds=[1, 2, 3], start=start)
    sample.sample_latents(context[:1], network, seeds=[4])
    assert torch.equal(sample(context, network, seeds=SEEDS), expected)
    assert torch.equal(sample.steps.scheduler.timesteps, timesteps)


def test_monai_schedulers_work_too(network, autoencoder, context):
    scheduler = DDIMScheduler(num_train_timesteps=10, clip_sample=False)
    decoder = LatentDecoder(autoencoder, precision="fp32")
    sample = LatentSampler(DenoisingSteps(scheduler, 5), Denoiser(precision="fp32"), decoder, latent_shape=SHAPE)
    assert bool(sample(context, network, seeds=SEEDS).isfinite().all())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"denoising_start": 1.0}, r"denoising_start must be at least 0 and below 1, got 1\.0"),
        ({"latent_shape": (2, 4)}, r"latent_shape must be \(C, D, H, W\) or \(C, H, W\), all positive, got \[2, 4\]"),
        ({"precision": "half"}, "precision is 'half'; allowed: fp32, bf16, fp16, auto"),
        ({"batch_size": 0}, "batch_size must be positive, got 0"),
        ({"denoising_end": 0.0}, r"denoising_end must be above denoising_start and at most 1, got 0\.0"),
        ({"slab_size": 0}, "decode_slab_size must be a positive number of slices, got 0"),
        ({"num_inference_steps": 11}, "num_inference_steps must be between 1 and 10"),
        ({"sampler": "ddpm", "num_inference_steps": 5}, "DDPM takes exactly the 10 steps"),
    ],
)
def test_bad_arguments_are_refused_at_once(autoencoder, arguments, message):
    with pytest.raises(ValueError, match=message):
        make(autoencoder, **arguments)


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
