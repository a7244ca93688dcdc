import pytest
import torch
from brain_bundles.engines import LatentDiffusionPrepareBatch
from brain_bundles.inferers import AutocastDiffusionInferer
from brain_bundles.losses import WeightedMSELoss
from brain_bundles.networks import VelocityPreconditioning
from monai.inferers import DiffusionInferer
from monai.networks.schedulers import DDPMScheduler, RFlowScheduler


def batch(size: int = 4, first_seed: int = 10) -> dict:
    generator = torch.Generator().manual_seed(0)
    return {
        "mean": torch.randn(size, 2, 4, 4, 4, generator=generator),
        "sigma": torch.rand(size, 2, 4, 4, 4, generator=generator),
        "context": torch.rand(size, 4, generator=generator),
        "sample_seed": torch.arange(first_seed, first_seed + size),
    }


def ddpm(prediction_type: str = "epsilon") -> DDPMScheduler:
    return DDPMScheduler(1000, "scaled_linear_beta", prediction_type=prediction_type)


def flow(**kwargs) -> RFlowScheduler:
    return RFlowScheduler(**{"use_discrete_timesteps": False, **kwargs})


def many(size: int = 4000) -> dict:
    return {
        "mean": torch.zeros(size, 1, 1, 1, 1),
        "sigma": torch.ones(size, 1, 1, 1, 1),
        "sample_seed": torch.arange(size),
    }


def test_shapes_and_the_condition_as_one_token():
    latent, (target, weight), args, kwargs = LatentDiffusionPrepareBatch(ddpm())(batch(), "cpu")
    assert torch.equal(weight, torch.ones(1, 1, 1, 1, 1))
    assert latent.shape == target.shape == kwargs["noise"].shape == (4, 2, 4, 4, 4)
    assert args == ()
    assert kwargs["condition"].shape == (4, 1, 4)
    assert kwargs["timesteps"].shape == (4,)
    assert kwargs["timesteps"].dtype == torch.int64
    tokens = {**batch(), "context": torch.zeros(4, 3, 5)}
    assert LatentDiffusionPrepareBatch(ddpm())(tokens)[3]["condition"].shape == (4, 3, 5)


@pytest.mark.parametrize("scheduler", [ddpm(), flow(), flow(sample_method="logit-normal", use_timestep_transform=True)])
def test_draws_belong_to_the_sample(scheduler):
    prepare = LatentDiffusionPrepareBatch(
        scheduler, "rectified_flow" if isinstance(scheduler, RFlowScheduler) else "epsilon"
    )
    whole = prepare(batch())
    torch.manual_seed(5)
    half = prepare({name: value[2:] for name, value in batch().items()})
    torch.testing.assert_close(half[0], whole[0][2:], rtol=0, atol=0)
    for name in ("noise", "timesteps", "condition"):
        torch.testing.assert_close(half[3][name], whole[3][name][2:], rtol=0, atol=0)
    assert not torch.equal(prepare(batch(first_seed=50))[3]["noise"], whole[3]["noise"])


def test_global_random_state_is_left_alone():
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    LatentDiffusionPrepareBatch(flow(), "rectified_flow")(batch())
    assert torch.equal(torch.rand(3), expected)


def test_latent_and_noise_are_independent_standard_draws():
    """4000 draws: the standard error of a mean and of a correlation is 0.016, of a variance 0.022."""
    latent, _, _, kwargs = LatentDiffusionPrepareBatch(ddpm(), condition_key=None)(many())
    drawn = torch.stack([latent.flatten(), kwargs["noise"].flatten()])
    assert drawn.mean(1).abs().max() < 0.07
    torch.testing.assert_close(torch.cov(drawn), torch.eye(2), rtol=0, atol=0.1)


def test_timesteps_are_uniform():
    timesteps = LatentDiffusionPrepareBatch(ddpm(), condition_key=None)(many())[3]["timesteps"].float()
    assert timesteps.min() >= 0
    assert timesteps.max() <= 999
    quarters = torch.histc(timesteps, 4, 0, 1000) / 4000
    torch.testing.assert_close(quarters, torch.full((4,), 0.25), rtol=0, atol=0.035)  # 5 standard errors


def test_targets_let_the_clean_latent_be_recovered():
    """From the noisy latent and a perfect prediction: the algebra of each prediction type, written out here."""
    for kind, scheduler in (("epsilon", ddpm()), ("v_prediction", ddpm("v_prediction")), ("rectified_flow", flow())):
        latent, (target, _), _, kwargs = LatentDiffusionPrepareBatch(scheduler, kind)(batch())
        noisy = scheduler.add_noise(latent, kwargs["noise"], kwargs["timesteps"])
        time = kwargs["timesteps"]
        if kind == "rectified_flow":
            recovered = noisy + (time / 1000).view(-1, 1, 1, 1, 1) * target
        else:
            alpha_bar = scheduler.alphas_cumprod[time].view(-1, 1, 1, 1, 1)
            signal, spread = alpha_bar.sqrt(), (1 - alpha_bar).sqrt()
            recovered = (noisy - spread * target) / signal if kind == "epsilon" else signal * noisy - spread * target
        # epsilon divides by sqrt(alpha_bar), which is 0.01 at the last step: float32 noise times 100
        torch.testing.assert_close(recovered, latent, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("kind", ["epsilon", "v_prediction", "rectified_flow"])
def test_variance_is_the_error_of_the_best_prediction(kind):
    """The best linear prediction of the target from the noisy latent, fitted to 20000 draws of one time step."""
    scheduler = flow() if kind == "rectified_flow" else ddpm(kind)
    prepare = LatentDiffusionPrepareBatch(scheduler, kind, condition_key=None)
    time = torch.full((20000,), 300)
    for sigma in (0.05, 0.4, 1.0):
        spread = torch.full((20000, 1, 1, 1, 1), sigma)
        draws = torch.randn(2, 20000, 1, 1, 1, 1, generator=torch.Generator().manual_seed(3))
        latent, noise = sigma * draws[0], draws[1]
        noisy, target = scheduler.add_noise(latent, noise, time), prepare.target(latent, noise, time)
        covariance = torch.cov(torch.stack([noisy.flatten(), target.flatten()]))
        residual = covariance[1, 1] - covariance[0, 1] ** 2 / covariance[0, 0]
        variance = prepare.variance(spread, time)
        assert variance.shape == latent.shape
        torch.testing.assert_close(variance[0].squeeze(), residual, rtol=0.05, atol=1e-4)


def test_the_weight_is_the_inverse_of_expected_error_and_variance():
    plain, _ = LatentDiffusionPrepareBatch(ddpm())(batch())[1]
    prepare = LatentDiffusionPrepareBatch(ddpm(), expected_error=0.05)
    _, (target, weight), _, extra = prepare(batch())
    assert torch.equal(target, plain)
    assert weight.shape == target.shape
    variance = prepare.variance(batch()["sigma"], extra["timesteps"])
    assert bool((variance > 0).all())
    torch.testing.assert_close(weight, 0.05 / (0.05 + variance))
    certain = {**batch(), "sigma": torch.zeros(4, 2, 4, 4, 4)}
    assert torch.equal(prepare(certain)[1][1], torch.ones_like(target))


@pytest.mark.parametrize("expected_error", [None, 0.05])
def test_a_preconditioned_networks_errors_are_counted_in_their_unit(expected_error):
    scheduler = ddpm("v_prediction")
    preconditioning = VelocityPreconditioning(2, scheduler)
    preconditioning.set_std(torch.tensor([3.0, 0.1]))
    options = {"expected_error": expected_error, "preconditioning": preconditioning}
    prepare = LatentDiffusionPrepareBatch(scheduler, "v_prediction", **options)
    _, (target, weight), _, extra = prepare(batch())
    expected = preconditioning.coefficients(extra["timesteps"], 5)[2].square()
    if expected_error is not None:
        expected = expected + prepare.variance(batch()["sigma"], extra["timesteps"]) / expected_error
        assert weight.shape == target.shape
    torch.testing.assert_close(weight, 1 / expected)


def test_channels_count_by_a_power_of_their_standard_deviation():
    """The loss is the weighted mean, for any variance of the target."""
    scheduler = ddpm("v_prediction")
    preconditioning = VelocityPreconditioning(2, scheduler)
    preconditioning.set_std(torch.tensor([4.0, 1.0]))
    loss = WeightedMSELoss()
    errors = []
    for power in (0.0, 0.5):
        options = {"expected_error": 0.05, "preconditioning": preconditioning, "channel_weight_power": power}
        _, parts, _, _ = LatentDiffusionPrepareBatch(scheduler, "v_prediction", **options)(batch())
        moved = [parts[0] + torch.tensor(one)[:, None, None, None] for one in ((1.0, 0.0), (0.0, 1.0))]
        errors.append([float(loss(prediction, parts)) for prediction in moved])
    torch.testing.assert_close(errors[1][0], errors[0][0] * 4 / 3)  # the roots are 2 and 1, their mean 1.5
    torch.testing.assert_close(errors[1][1], errors[0][1] * 2 / 3)


def test_validation_spreads_every_sample_over_the_timesteps():
    prepare = LatentDiffusionPrepareBatch(ddpm(), num_validation_timesteps=5)
    latent, target, _, kwargs = prepare(batch(2))
    assert kwargs["timesteps"].tolist() == [100, 300, 500, 700, 900] * 2
    assert latent.shape[0] == target.shape[0] == kwargs["condition"].shape[0] == 10
    assert torch.equal(kwargs["condition"][5], batch(2)["context"][1][None])
    again = prepare(batch(2))
    assert torch.equal(again[0], latent)
    assert torch.equal(again[1], target)
    assert not torch.equal(target[0], target[1])


@pytest.mark.parametrize(
    ("scheduler", "prediction_type", "last"), [(ddpm(), "epsilon", 999), (flow(), "rectified_flow", 1000)]
)
def test_noise_alone_is_the_last_time_step_for_training_and_validation(scheduler, prediction_type, last):
    for repeats in (None, 3):
        options = {"num_validation_timesteps": repeats, "noise_alone": True}
        kwargs = LatentDiffusionPrepareBatch(scheduler, prediction_type, **options)(batch(2))[3]
        assert kwargs["timesteps"].tolist() == [last] * 2 * (repeats or 1)


def test_half_precision_cache_gives_single_precision_latents():
    half = {name: value.half() if value.is_floating_point() else value for name, value in batch().items()}
    latent, _, _, kwargs = LatentDiffusionPrepareBatch(ddpm())(half)
    assert latent.dtype == kwargs["condition"].dtype == torch.float32


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ((ddpm(), "x0"), "prediction_type is 'x0'; allowed: epsilon, v_prediction, rectified_flow"),
        ((ddpm(), "v_prediction"), "prediction_type is 'v_prediction', but DDPMScheduler is for 'epsilon'"),
        ((ddpm(), "rectified_flow"), "DDPMScheduler is for 'epsilon'"),
        ((flow(), "epsilon"), "RFlowScheduler is for 'rectified_flow'"),
    ],
)
def test_prediction_type_must_fit_the_scheduler(args, message):
    with pytest.raises(ValueError, match=message):
        LatentDiffusionPrepareBatch(*args)


def test_missing_entries_are_named():
    with pytest.raises(ValueError, match=r"the batch lacks sample_seed, context \(it has mean, sigma\)"):
        LatentDiffusionPrepareBatch(ddpm())({"mean": torch.zeros(1), "sigma": torch.zeros(1)})
    with pytest.raises(ValueError, match="num_validation_timesteps must be at least 1, got 0"):
        LatentDiffusionPrepareBatch(ddpm(), num_validation_timesteps=0)
    with pytest.raises(ValueError, match=r"channel_weight_power must be 0 or more, got -1\.0"):
        LatentDiffusionPrepareBatch(ddpm(), channel_weight_power=-1.0)
    with pytest.raises(ValueError, match="expected_error must be positive, or None to leave it out, got 0"):
        LatentDiffusionPrepareBatch(ddpm(), expected_error=0)


class Network(torch.nn.Conv3d):
    """Remembers the dtype it computed in."""

    def forward(self, x, timesteps, context):
        out = super().forward(x)
        self.computed_in = out.dtype
        return out


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_inferer_computes_in_its_precision(precision):
    torch.manual_seed(0)
    network = Network(2, 2, 3, padding=1)
    latent, _, _, kwargs = LatentDiffusionPrepareBatch(ddpm())(batch())
    full = DiffusionInferer(ddpm())(latent, network, **kwargs)
    ours = AutocastDiffusionInferer(ddpm(), precision)(latent, network, **kwargs)
    assert network.computed_in == (torch.float32 if precision == "fp32" else torch.bfloat16)
    assert ours.dtype == torch.float32
    torch.testing.assert_close(ours, full, rtol=0.02, atol=0.02 if precision == "bf16" else 0)  # bfloat16: 8 bits


def test_inferer_refuses_an_unknown_precision():
    with pytest.raises(ValueError, match="precision is 'half'"):
        AutocastDiffusionInferer(ddpm(), "half")


def test_conditions_are_dropped_for_a_share_of_the_samples_by_their_seeds():
    data = {**many(1000), "context": torch.rand(1000, 4)}
    prepare = LatentDiffusionPrepareBatch(ddpm(), condition_dropout=0.2)
    kept = LatentDiffusionPrepareBatch(ddpm())(data)[3]["condition"]
    condition = prepare(data)[3]["condition"]
    dropped = condition.isnan().all(dim=(1, 2))
    assert 0.16 < dropped.float().mean() < 0.24
    assert torch.equal(condition[~dropped], kept[~dropped])
    part = {key: value[10:60] for key, value in data.items()}
    assert torch.equal(prepare(part)[3]["condition"].isnan(), condition[10:60].isnan())
    validation = LatentDiffusionPrepareBatch(ddpm(), condition_dropout=0.2, num_validation_timesteps=1)
    assert not validation(data)[3]["condition"].isnan().any()
    with pytest.raises(ValueError, match="condition_dropout must be 0 or more and below 1"):
        LatentDiffusionPrepareBatch(ddpm(), condition_dropout=1.0)
