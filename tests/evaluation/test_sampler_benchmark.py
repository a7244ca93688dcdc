import pytest
import torch
from brain_bundles.evaluation import benchmark_samplers


@pytest.fixture
def autoencoder(make_autoencoder):
    return make_autoencoder(channels=(4, 4)).eval()


def smooth_velocity(x, timesteps, context):
    """A smooth velocity, so that solvers converge at their order; it belongs to no data."""
    return 0.3 * torch.tanh(x)


def test_errors_fall_with_steps_and_the_reference_is_exact(autoencoder):
    rows = benchmark_samplers(
        smooth_velocity,
        autoencoder,
        torch.zeros(2, 1, 4),
        latent_shape=(2, 4, 4, 4),
        prediction_type="v_prediction",
        seeds=[1, 2],
        precision="fp32",
    )
    names = [(row.sampler, row.num_inference_steps) for row in rows]
    assert names == [(s, n) for s, ns in (("ddim", (10, 20, 50)), ("dpm_solver", (10, 15, 20))) for n in ns] + [
        ("ddim", 1000)
    ]
    errors = dict(zip(names, (row.latent_error for row in rows), strict=True))
    assert errors["ddim", 10] > errors["ddim", 20] > errors["ddim", 50] > errors["ddim", 1000] == 0
    assert all(0 < row.image_error < 1 for row in rows[:-1])


def test_rows_and_reference_are_drawn_alike(autoencoder):
    """A row with all the steps of the reference is the reference, for any end."""
    options = {"latent_shape": (2, 4, 4, 4), "prediction_type": "v_prediction", "seeds": [1], "precision": "fp32"}
    found = {}
    for name, more in {"plain": {}, "shorter": {"denoising_end": 0.5}}.items():
        rows = benchmark_samplers(
            smooth_velocity,
            autoencoder,
            torch.zeros(1, 1, 4),
            rows=[("ddim", 20), ("ddim", 100)],
            reference_steps=100,
            **options,
            **more,
        )
        found[name] = [row.latent_error for row in rows]
        assert found[name][1] == 0
    assert len({errors[0] for errors in found.values()}) == 2


def test_networks_of_rectified_flow_have_their_own_rows(autoencoder):
    rows = benchmark_samplers(
        smooth_velocity,
        autoencoder,
        torch.zeros(1, 1, 4),
        latent_shape=(2, 4, 4, 4),
        prediction_type="rectified_flow",
        seeds=[1],
        reference_steps=200,
        precision="fp32",
    )
    expected = [*(("rflow", n) for n in (10, 20, 50)), *(("dpm_solver", n) for n in (10, 15, 20)), ("rflow", 200)]
    assert [(row.sampler, row.num_inference_steps) for row in rows] == expected
    errors = {(row.sampler, row.num_inference_steps): row.latent_error for row in rows}
    assert errors["rflow", 10] > errors["rflow", 50] > errors["dpm_solver", 20] > 0
