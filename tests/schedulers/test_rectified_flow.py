from __future__ import annotations

import pytest
import torch
from brain_bundles.schedulers import RFlowScheduler


@pytest.mark.parametrize("steps", [1, 3, 7, 15])
@pytest.mark.parametrize("discrete", [True, False])
def test_constant_velocity_is_exact_in_any_number_of_steps(noise, steps, discrete):
    """Rounded timesteps do not divide evenly: the lengths of the steps still sum to one."""
    image = torch.full_like(noise, 0.7)
    scheduler = RFlowScheduler(use_discrete_timesteps=discrete)
    scheduler.set_timesteps(steps)
    x = noise
    for timestep in scheduler.timesteps:
        torch.testing.assert_close(x, scheduler.add_noise(image, noise, timestep.expand(2)), rtol=1e-6, atol=1e-6)
        x, clean = scheduler.step(image - noise, timestep, x)
        torch.testing.assert_close(clean, image, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(x, image, rtol=1e-6, atol=1e-6)  # continuous timesteps are float32


def test_timesteps_do_not_pass_through_float16():
    scheduler = RFlowScheduler(num_train_timesteps=4000, use_discrete_timesteps=False)
    scheduler.set_timesteps(7)
    expected = [4000 * (1 - i / 7) for i in range(7)]
    torch.testing.assert_close(scheduler.timesteps, torch.tensor(expected), rtol=1e-6, atol=0)


def test_training_timesteps_cover_where_steps_begin():
    torch.manual_seed(0)
    drawn = RFlowScheduler(num_train_timesteps=10).sample_timesteps(torch.zeros(500, 1))
    assert sorted(set(drawn.tolist())) == list(range(1, 11))


def test_velocity_is_the_target_of_training(noise):
    image = torch.full_like(noise, 0.7)
    velocity = RFlowScheduler().get_velocity(image, noise, torch.tensor([5, 5]))
    torch.testing.assert_close(velocity, image - noise)


def test_transform_moves_steps_to_high_noise_and_needs_a_size():
    scheduler = RFlowScheduler(use_timestep_transform=True)
    with pytest.raises(ValueError, match="input_img_size_numel"):
        scheduler.set_timesteps(4)
    scheduler.set_timesteps(4, input_img_size_numel=8 * 32**3)  # twice as wide: t -> 2 t / (1 + t)
    assert scheduler.timesteps.tolist() == [1000, 857, 667, 400]
    with pytest.raises(ValueError, match="same discrete timesteps"):
        scheduler.set_timesteps(1000, input_img_size_numel=8 * 32**3)


def test_next_timestep_may_be_given_and_foreign_timesteps_are_refused(noise):
    scheduler = RFlowScheduler()
    scheduler.set_timesteps(4)
    torch.testing.assert_close(scheduler.step(noise, 1000, noise, 900)[0], 1.1 * noise)
    with pytest.raises(ValueError, match="timestep 999 is not among the 4 timesteps"):
        scheduler.step(noise, 999, noise)
