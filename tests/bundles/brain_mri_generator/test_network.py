"""The sampling network and its condition."""

from __future__ import annotations

import pytest
import torch
from brain_bundles.networks import VelocityPreconditioning
from brain_bundles.schedulers import make_scheduler
from brain_mri_generator import ConditionedDiffusionUNet


def tiny(**options) -> ConditionedDiffusionUNet:
    torch.manual_seed(0)
    network = ConditionedDiffusionUNet(
        3,
        3,
        channels=[8, 8],
        num_res_blocks=[1, 1],
        attention_levels=[False, True],
        num_head_channels=[0, 8],
        norm_num_groups=4,
        **options,
    ).eval()
    torch.nn.init.normal_(network.unet.out[-1].conv.weight)  # MONAI starts it at zero, which would hide everything
    return network


@pytest.fixture
def network():
    return tiny()


def test_prediction_has_the_shape_of_the_latent(network):
    assert network(torch.zeros(2, 3, 8, 12, 8), torch.zeros(2), torch.zeros(2, 1, 4)).shape == (2, 3, 8, 12, 8)


@pytest.mark.parametrize("covariate", range(4))
def test_every_covariate_changes_the_prediction(network, covariate):
    x, t = torch.randn(1, 3, 8, 8, 8, generator=torch.Generator().manual_seed(1)), torch.tensor([500.0])
    low, high = torch.full((1, 1, 4), 0.5), torch.full((1, 1, 4), 0.5)
    high[..., covariate] = 0.9
    assert float((network(x, t, low) - network(x, t, high)).abs().max()) > 1e-4


def test_covariates_enter_as_constant_channels_and_as_one_token(network):
    """The inner UNet sees [latent, maps] and the token; nothing else happens in the wrapper."""
    x, t, c = torch.randn(2, 3, 8, 8, 8), torch.tensor([10.0, 700.0]), torch.rand(2, 1, 4)
    maps = torch.ones(2, 4, 8, 8, 8) * c.reshape(2, 4, 1, 1, 1)
    torch.testing.assert_close(network(x, t, c), network.unet(torch.cat([x, maps], 1), timesteps=t, context=c))


def test_scaled_covariates_are_the_network_of_scaled_covariates(network):
    x, t, c = torch.randn(2, 3, 8, 8, 8), torch.tensor([10.0, 700.0]), torch.rand(2, 1, 4)
    expected = network(x, t, 5 * c)
    network.covariate_scale = 5.0
    torch.testing.assert_close(network(x, t, c), expected)


def test_a_batch_is_its_samples_one_by_one(network):
    x, t, c = torch.randn(3, 3, 8, 8, 8), torch.tensor([1.0, 50.0, 999.0]), torch.rand(3, 1, 4)
    single = torch.cat([network(x[i : i + 1], t[i : i + 1], c[i : i + 1]) for i in range(3)])
    torch.testing.assert_close(network(x, t, c), single, atol=1e-5, rtol=1e-4)


def test_defaults_are_the_first_timestep_and_the_middle_of_the_population(network):
    x = torch.randn(1, 3, 8, 8, 8)
    torch.testing.assert_close(network(x), network(x, torch.zeros(1), torch.full((1, 1, 4), 0.5)))


def test_a_condition_of_another_shape_is_refused(network):
    with pytest.raises(ValueError, match=r"context has shape \(1, 4\), expected \(1, 1, 4\)"):
        network(torch.zeros(1, 3, 8, 8, 8), torch.zeros(1), torch.zeros(1, 4))


@pytest.fixture
def placed():
    """A network with a learned map of positions."""
    return tiny(position_channels=4, position_size=[8, 12, 4])


def test_the_map_of_positions_starts_as_fourier_features_of_the_place(placed):
    """Its second half holds the cosines of the angles whose sines are the first: the squares sum to 1."""
    assert placed.position.shape == (1, 4, 8, 12, 4)
    assert placed.position.requires_grad
    torch.testing.assert_close(placed.position[:, :2] ** 2 + placed.position[:, 2:] ** 2, torch.ones(1, 2, 8, 12, 4))
    angle = torch.atan2(placed.position[0, 0], placed.position[0, 2])  # a linear function of the place
    turns = torch.exp(1j * angle)
    for axis in range(3):
        steps = turns.narrow(axis, 1, turns.shape[axis] - 1) / turns.narrow(axis, 0, turns.shape[axis] - 1)
        torch.testing.assert_close(steps, steps.flatten()[0].expand_as(steps), atol=1e-4, rtol=0)


def test_positions_enter_beside_the_covariates(placed):
    x, t, c = torch.randn(2, 3, 8, 12, 4), torch.tensor([10.0, 700.0]), torch.rand(2, 1, 4)
    maps = torch.ones(2, 4, 8, 12, 4) * c.reshape(2, 4, 1, 1, 1)
    inputs = torch.cat([x, maps, placed.position.expand(2, -1, -1, -1, -1)], 1)
    torch.testing.assert_close(placed(x, t, c), placed.unet(inputs, timesteps=t, context=c))


def test_the_map_of_positions_is_trained(placed):
    placed(torch.randn(2, 3, 8, 12, 4), torch.tensor([10.0, 700.0]), torch.rand(2, 1, 4)).square().mean().backward()
    assert float(placed.position.grad.abs().sum()) > 0


def test_latents_of_another_size_than_the_map_are_refused(placed):
    """A map that is stretched would make brains of another size."""
    with pytest.raises(ValueError, match=r"latents have the size \[16, 12, 8\], the map of positions \[8, 12, 4\]"):
        placed(torch.zeros(1, 3, 16, 12, 8), torch.zeros(1), torch.zeros(1, 1, 4))


def test_a_preconditioned_network_is_its_unet_between_two_scales(placed):
    preconditioning = VelocityPreconditioning(3, make_scheduler("ddim", prediction_type="v_prediction"))
    preconditioning.set_std(torch.tensor([4.0, 1.0, 0.1]))
    x, t, c = torch.randn(2, 3, 8, 12, 4), torch.tensor([10.0, 700.0]), torch.rand(2, 1, 4)
    c_in, c_skip, c_out = preconditioning.coefficients(t, 5)
    expected = c_skip * x + c_out * placed(c_in * x, t, c)
    placed.preconditioning = preconditioning
    torch.testing.assert_close(placed(x, t, c), expected)


@pytest.mark.parametrize("wrong", [{"position_size": None}, {"position_size": [8, 8]}, {"position_channels": 3}])
def test_a_map_of_positions_needs_an_even_number_of_channels_and_a_size(wrong):
    arguments = {"position_channels": 4, "position_size": [8, 8, 8], **wrong}
    with pytest.raises(ValueError, match="position_channels must be even and come with a position_size of 3 numbers"):
        ConditionedDiffusionUNet(3, 3, **arguments)


@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")
@pytest.mark.filterwarnings("ignore:`torch.jit.trace` is deprecated")
@pytest.mark.parametrize("parts", ["published", "ours"])
def test_tracing_keeps_the_three_inputs_and_other_shapes(network, placed, parts):
    if parts == "ours":
        placed.preconditioning = VelocityPreconditioning(3, make_scheduler("ddim", prediction_type="v_prediction"))
        placed.preconditioning.set_std(torch.tensor([4.0, 1.0, 0.1]))
        network = placed
    size = (8, 12, 4) if parts == "ours" else (8, 8, 8)  # the map of positions has one size
    arguments = torch.randn(1, 3, *size), torch.tensor([10.0]), torch.rand(1, 1, 4)
    traced = torch.jit.trace(network, arguments)
    others = (
        torch.randn(2, 3, *(size if parts == "ours" else (8, 12, 8))),
        torch.tensor([700.0, 20.0]),
        torch.rand(2, 1, 4),
    )
    torch.testing.assert_close(traced(*others), network(*others), atol=1e-5, rtol=1e-4)


def test_a_covariate_that_is_not_given_has_a_learned_value():
    network = tiny(unconditional=True)
    x, t, c = torch.randn(2, 3, 8, 8, 8), torch.tensor([10.0, 700.0]), torch.rand(2, 1, 4)
    partly = c.clone()
    partly[:, :, 2] = float("nan")
    torch.nn.init.uniform_(network.not_given, -2, -1)
    filled = torch.where(partly.isnan(), network.not_given.detach(), partly)
    torch.testing.assert_close(network(x, t, partly), network(x, t, filled))
    network(x, t, torch.full_like(c, float("nan"))).square().mean().backward()
    assert bool((network.not_given.grad != 0).all())
    assert tiny().not_given is None  # the published network
