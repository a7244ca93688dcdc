"""Several steps of a teacher in one: where the student's DDIM goes with the targets."""

from __future__ import annotations

import pytest
import torch
from brain_bundles.engines import LatentDiffusionPrepareBatch, StepDistillationPrepareBatch
from brain_bundles.inferers import Denoiser
from brain_bundles.inferers.denoise import denoise
from brain_bundles.schedulers import make_scheduler

OPTIONS = {"prediction_type": "v_prediction", "beta_start": 0.0005, "beta_end": 0.04}


def scheduler(sampler: str = "ddim", **options):
    return make_scheduler(sampler, **OPTIONS, **options)


class Teacher(torch.nn.Module):
    """The exact velocity of latents that are normal with a mean given by the condition and a deviation of 0.3."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(()))

    def forward(self, x: torch.Tensor, timesteps: torch.Tensor, context: torch.Tensor) -> torch.Tensor:
        alpha_bar = scheduler("ddpm").alphas_cumprod[timesteps.long()].view(-1, 1, 1, 1, 1)
        a, b, mean = alpha_bar.sqrt(), (1 - alpha_bar).sqrt(), context.mean((1, 2)).view(-1, 1, 1, 1, 1)
        clean = mean + a * 0.09 / (alpha_bar * 0.09 + 1 - alpha_bar) * (x - a * mean)
        return self.weight * (a * x - clean) / b


def batch(size: int = 12) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(3)
    return {
        "mean": 0.3 * torch.randn(size, 2, 4, 4, 4, generator=generator),
        "sigma": torch.zeros(size, 2, 4, 4, 4),
        "context": torch.rand(size, 1, 4, generator=generator),
        "sample_seed": torch.arange(size),
    }


def prepare(teacher_steps: int, num_student_steps: int = 4, **options) -> StepDistillationPrepareBatch:
    return StepDistillationPrepareBatch(
        scheduler("ddpm"),
        "v_prediction",
        teacher=Teacher(),
        denoiser=Denoiser(precision="fp32"),
        sampler=scheduler(),
        num_student_steps=num_student_steps,
        teacher_steps=teacher_steps,
        **options,
    )


def test_one_step_with_the_target_arrives_where_the_teachers_steps_do():
    distil, own = prepare(teacher_steps=5), scheduler()
    latent, (target, weight), _, extra = distil(batch())
    timesteps = extra["timesteps"]
    assert set(timesteps.tolist()) == {999, 749, 499, 249}
    noisy = own.add_noise(latent, extra["noise"], timesteps)
    own.set_timesteps(4)
    walk = scheduler()
    walk.set_timesteps(20)
    for index, timestep in enumerate(timesteps.tolist()):
        moved, _ = own.step(target[index : index + 1], timestep, noisy[index : index + 1])
        first = walk.step_index(timestep)

        def teacher(x, timesteps, index=index):
            return Teacher()(x, timesteps, extra["condition"][index : index + 1])

        expected, _ = denoise(teacher, noisy[index : index + 1], walk, walk.timesteps[first : first + 5])
        torch.testing.assert_close(moved, expected.detach(), atol=2e-5, rtol=1e-4)
    plain = LatentDiffusionPrepareBatch(scheduler("ddpm"), "v_prediction")
    assert torch.equal(weight, plain.weight(torch.zeros_like(latent), timesteps))


def test_with_one_step_of_the_teacher_the_target_is_the_teachers_output():
    distil = prepare(teacher_steps=1)
    latent, (target, _), _, extra = distil(batch())
    noisy = scheduler("ddpm").add_noise(latent, extra["noise"], extra["timesteps"])
    expected = Teacher()(noisy, extra["timesteps"], extra["condition"]).detach()
    torch.testing.assert_close(target, expected, atol=1e-4, rtol=1e-4)


def test_four_steps_of_the_targets_sample_what_the_teacher_samples_in_twenty():
    """Four steps of the teacher itself arrive elsewhere."""
    noise = torch.randn(1, 1, 24, 24, 24, generator=torch.Generator().manual_seed(0))
    condition, distil = torch.full((1, 1, 4), 0.5), prepare(teacher_steps=5)

    def teacher(x, timesteps):
        return Teacher()(x, timesteps, condition)

    def student(x, timesteps):
        alpha_bar = distil.scheduler.alphas_cumprod[timesteps].view(-1, 1, 1, 1, 1)
        # The noisy latent as it is: a latent of 0 and the noise that gives it.
        return distil.velocity(torch.zeros_like(x), x / (1 - alpha_bar).sqrt(), timesteps, condition)

    results = {}
    for name, network, steps in (("teacher", teacher, 20), ("student", student, 4), ("plain", teacher, 4)):
        walk = scheduler()
        walk.set_timesteps(steps)
        results[name] = denoise(network, noise, walk, walk.timesteps)[0].detach()
    torch.testing.assert_close(results["student"], results["teacher"], atol=1e-3, rtol=1e-3)
    assert (results["plain"] - results["teacher"]).abs().mean() > 0.01


def test_draws_belong_to_the_sample_and_validation_sees_every_step():
    distil = prepare(teacher_steps=2)
    whole = distil(batch())
    half = distil({name: value[6:] for name, value in batch().items()})
    torch.testing.assert_close(half[1][0], whole[1][0][6:], rtol=1e-5, atol=1e-5)
    validation = prepare(teacher_steps=2, num_validation_timesteps=4)(batch(2))
    assert validation[3]["timesteps"].tolist() == [999, 749, 499, 249] * 2
    assert isinstance(validation[1], torch.Tensor)


@pytest.mark.parametrize("num_student_steps", [1, 4])
def test_a_flow_is_distilled_to_where_its_own_steps_lead(num_student_steps):
    """Latents are normal with a deviation of 0.3 around the condition's mean: the exact flow is known."""

    class Flow(torch.nn.Module):
        weight = torch.nn.Parameter(torch.ones(()))

        def forward(self, x, timesteps, context):
            b, mean = (timesteps / 1000).view(-1, 1, 1, 1, 1), context.mean((1, 2)).view(-1, 1, 1, 1, 1)
            unit = (x - (1 - b) * mean) / ((1 - b) ** 2 * 0.09 + b**2)
            return mean + (1 - b) * 0.09 * unit - b * unit  # the expected latent minus the expected noise

    flow = {"prediction_type": "rectified_flow"}
    distil = StepDistillationPrepareBatch(
        make_scheduler("rflow", **flow),
        "rectified_flow",
        teacher=Flow(),
        denoiser=Denoiser(precision="fp32"),
        sampler=make_scheduler("rflow", **flow),
        num_student_steps=num_student_steps,
        teacher_steps=40 // num_student_steps,
    )
    noise = torch.randn(1, 1, 8, 8, 8, generator=torch.Generator().manual_seed(0))
    condition = torch.full((1, 1, 4), 0.5)
    results = {}
    for name, steps in (("teacher", 40), ("student", num_student_steps)):
        walk, latents = make_scheduler("rflow", **flow), noise
        walk.set_timesteps(steps)
        for timestep in walk.timesteps:
            times, b = timestep[None], float(timestep) / 1000
            output = Flow()(latents, times, condition)
            if name == "student":  # the noisy latent as it is: a latent of 0 and the noise that gives it
                output = distil.velocity(torch.zeros_like(noise), latents / b, times, condition)
            latents, _ = walk.step(output, timestep, latents)
        results[name] = latents.detach()
    torch.testing.assert_close(results["student"], results["teacher"], atol=1e-4, rtol=1e-4)
    # In the limit the flow maps each noise to mean + deviation * noise.
    torch.testing.assert_close(results["teacher"], 0.5 + 0.3 * noise, atol=0.06, rtol=0)


def test_what_cannot_be_distilled():
    with pytest.raises(ValueError, match="must be between 1 and 1000"):
        prepare(teacher_steps=300)
    with pytest.raises(ValueError, match="num_student_steps is 0 and teacher_steps 2"):
        prepare(teacher_steps=2, num_student_steps=0)
    common = {"teacher": Teacher(), "denoiser": Denoiser()}
    with pytest.raises(ValueError, match=r"sampler must be 'rflow', or 'ddim' with eta 0"):
        StepDistillationPrepareBatch(scheduler("ddpm"), "v_prediction", sampler=scheduler(eta=1.0), **common)
    flow = make_scheduler("rflow", prediction_type="rectified_flow")
    with_memory = make_scheduler("dpm_solver", prediction_type="rectified_flow")
    with pytest.raises(ValueError, match=r"sampler must be 'rflow', or 'ddim' with eta 0"):
        StepDistillationPrepareBatch(flow, "rectified_flow", sampler=with_memory, **common)
    with pytest.raises(ValueError, match=r"prediction_type is 'epsilon'; a distillation needs 'v_prediction'"):
        StepDistillationPrepareBatch(
            make_scheduler("ddpm", prediction_type="epsilon"), "epsilon", sampler=scheduler(), **common
        )
