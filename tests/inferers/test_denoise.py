"""The denoising loop, on problems with a known solution."""

from __future__ import annotations

import pytest
import torch
from brain_bundles.inferers import denoise
from brain_bundles.schedulers import DenoisingSteps, make_scheduler

STD = 0.5


def noise(size: int = 2) -> torch.Tensor:
    return torch.randn(size, 1, 4, 4, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("sampler", ["ddim", "dpm_solver"])
def test_the_exact_network_of_a_normal_density_leads_to_its_end_point(sampler):
    """Data N(0, s^2): x_t / sqrt(a s^2 + 1 - a) is constant along the flow, so noise n ends at s n / sqrt(...)."""
    scheduler, timesteps = DenoisingSteps(make_scheduler(sampler, prediction_type="epsilon"), 200).begin()
    levels = scheduler.alphas_cumprod.double()

    def network(x: torch.Tensor, *, timesteps: torch.Tensor) -> torch.Tensor:
        a = levels[timesteps].reshape(-1, 1, 1, 1, 1)
        return (1 - a).sqrt() / (a * STD**2 + 1 - a) * x

    start = noise()
    given = start.clone()
    end, clean = denoise(network, start, scheduler, timesteps)
    first = levels[int(timesteps[0])]
    exact = start * STD / (first * STD**2 + 1 - first).sqrt()
    torch.testing.assert_close(end, exact, rtol=0.03, atol=0)  # DDIM 0.019, DPM-Solver++ 0.001 measured
    torch.testing.assert_close(end, clean)  # the last step of the whole schedule goes to the clean latents
    assert torch.equal(start, given)


def test_a_part_of_the_walk_gives_the_next_latents_and_the_clean_ones():
    scheduler, timesteps = DenoisingSteps(make_scheduler("ddim", prediction_type="epsilon"), 10).begin()
    start, seen = noise(), []

    def network(x: torch.Tensor, *, timesteps: torch.Tensor) -> torch.Tensor:
        seen.append(timesteps.tolist())
        return torch.zeros_like(x, dtype=torch.bfloat16)

    following, clean = denoise(network, start, scheduler, timesteps[:4])
    levels = scheduler.alphas_cumprod.double()[timesteps]
    assert seen == [[int(t)] * 2 for t in timesteps[:4]]
    torch.testing.assert_close(following, start * (levels[4] / levels[0]).sqrt())
    torch.testing.assert_close(clean, start / levels[0].sqrt())


def test_noise_comes_from_the_sample_s_generator():
    scheduler, timesteps = DenoisingSteps(
        make_scheduler("ddim", prediction_type="epsilon", eta=1.0), num_inference_steps=3
    ).begin()

    def walk(seeds: list[int], start: torch.Tensor) -> torch.Tensor:
        generators = [torch.Generator().manual_seed(seed) for seed in seeds]
        return denoise(lambda x, timesteps: 0.1 * x, start, scheduler, timesteps, generators=generators)[0]

    both = walk([1, 2], noise())
    torch.testing.assert_close(walk([2], noise()[1:]), both[1:], rtol=0, atol=0)
    assert not torch.equal(walk([1, 3], noise())[1:], both[1:])
    torch.manual_seed(5)
    drawn = denoise(lambda x, timesteps: 0.1 * x, noise(), scheduler, timesteps)[0]
    torch.manual_seed(5)
    assert torch.equal(denoise(lambda x, timesteps: 0.1 * x, noise(), scheduler, timesteps)[0], drawn)


def samplers() -> list:
    """All schedulers of the collection with one of diffusers, each with a number of steps that it takes."""
    diffusers = pytest.importorskip("diffusers")
    mine = [("ddim", kind, 4) for kind in ("epsilon", "v_prediction")]
    mine += [("dpm_solver", "v_prediction", 4), ("dpm_solver", "rectified_flow", 4), ("rflow", "rectified_flow", 4)]
    made = [(make_scheduler(name, prediction_type=kind), steps) for name, kind, steps in mine]
    made.append((make_scheduler("ddpm", prediction_type="epsilon", num_train_timesteps=20), 20))
    made.append((diffusers.UniPCMultistepScheduler(prediction_type="v_prediction"), 4))
    return made


def test_a_correction_of_the_clean_latents_is_what_every_scheduler_works_with():
    """Clean latents that are held to a constant end there, whatever the network says; all random numbers are kept."""
    for scheduler, steps in samplers():
        walk, timesteps = DenoisingSteps(scheduler, steps).begin()
        generators = [torch.Generator().manual_seed(i) for i in range(2)]
        torch.manual_seed(3)
        end, clean = denoise(
            lambda x, timesteps: 0.3 * x,
            noise().float(),
            walk,
            timesteps,
            generators=generators,
            correct=lambda latents: torch.full_like(latents, 0.7),
        )
        torch.testing.assert_close(clean, torch.full_like(clean, 0.7), atol=1e-3, rtol=0, msg=type(scheduler).__name__)
        torch.testing.assert_close(end, clean, atol=1e-3, rtol=0, msg=type(scheduler).__name__)
        after = torch.randn(3)
        torch.manual_seed(3)
        assert torch.equal(after, torch.randn(3)), type(scheduler).__name__


def test_a_correction_that_changes_nothing_changes_no_latents():
    for scheduler, steps in samplers():
        ends = []
        for correct in (None, lambda latents: latents):
            walk, timesteps = DenoisingSteps(scheduler, steps).begin()
            generators = [torch.Generator().manual_seed(i) for i in range(2)]
            options = {"generators": generators, "correct": correct}
            ends.append(denoise(lambda x, timesteps: 0.3 * x, noise().float(), walk, timesteps, **options)[0])
        assert torch.equal(*ends), type(scheduler).__name__
