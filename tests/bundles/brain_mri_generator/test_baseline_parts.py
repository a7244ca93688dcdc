"""Networks, trainers, sampler and measure of diversity of the baselines, by themselves."""

from __future__ import annotations

import logging
import math

import pytest
import torch
from brain_bundles.data import EpochSampler, SeededDataset
from brain_bundles.engines import per_sample_randn
from brain_bundles.losses import KLDivergenceLoss
from brain_mri_generator import (
    VAEGAN,
    CodeSampler,
    LSGANTrainer,
    SampleDiversity,
    VAEGANTrainer,
    VolumeGenerator,
    sample_rows,
)
from ignite.engine import Engine, Events
from monai.data import DataLoader
from monai.networks.nets import PatchDiscriminator
from torch import nn

SIZE = (8, 16, 8)


def generator() -> VolumeGenerator:
    torch.manual_seed(0)
    return VolumeGenerator(SIZE, code_size=3, channels=(8, 4), norm_num_groups=2)


def vaegan() -> VAEGAN:
    return VAEGAN(generator(), channels=(4, 8), norm_num_groups=2)


def discriminator() -> PatchDiscriminator:
    torch.manual_seed(1)
    return PatchDiscriminator(spatial_dims=3, channels=4, in_channels=1, num_layers_d=1, norm="INSTANCE")


def images(count: int = 4) -> list[dict[str, torch.Tensor]]:
    """Blocks of different heights, brighter or darker."""
    result = []
    for number in range(count):
        image = torch.zeros(1, *SIZE)
        image[:, 2:-2, 4 : 8 + 2 * (number % 4), 2:-2] = 0.4 + 0.1 * number
        result.append({"image": image})
    return result


def run(
    cls, network: nn.Module, *, epochs: int = 1, lr: float = 1e-3, batch_size: int = 2, seed_key="sample_seed", **o
):
    """The outputs of all iterations of a training, each with the seeds of its batch."""
    dataset = SeededDataset(images(), seed=1, seed_key=seed_key)
    data = DataLoader(dataset, batch_size=batch_size, sampler=EpochSampler(dataset, seed=1))
    judge = o.pop("judge", None) or discriminator()
    adam = torch.optim.Adam(network.parameters(), lr=lr)
    o["discriminator_optimizer"] = torch.optim.Adam(judge.parameters(), lr=lr)
    trainer = cls("cpu", epochs, data, network, adam, discriminator=judge, decollate=False, **o)
    outputs: list[dict] = []
    trainer.add_event_handler(
        Events.ITERATION_COMPLETED,
        lambda engine: outputs.append({**engine.state.output, "seeds": engine.state.batch["sample_seed"]}),
    )
    trainer.run()
    return outputs


def test_a_generator_makes_the_grid_within_the_unit_range():
    volumes = generator()(torch.randn(2, 3))
    assert volumes.shape == (2, 1, *SIZE)
    assert 0 < volumes.min() < volumes.max() < 1


def test_a_sample_of_a_generator_does_not_depend_on_the_batch():
    network, codes = generator(), torch.randn(3, 3)
    torch.testing.assert_close(network(codes)[1], network(codes[1:2])[0], atol=1e-6, rtol=1e-5)


def test_a_grid_that_cannot_be_halved_is_refused():
    with pytest.raises(ValueError, match=r"spatial_size is \[8, 10, 8\]; with 2 numbers .* a multiple of 4"):
        VolumeGenerator((8, 10, 8), channels=(8, 4))


def test_the_default_generator_has_the_default_grid():
    with torch.device("meta"):
        network = VolumeGenerator((80, 96, 80))
        assert network(torch.empty(1, 128)).shape == (1, 1, 80, 96, 80)
        assert sum(p.numel() for p in network.parameters()) == 6_143_277


def test_judged_volumes_have_no_gradient_of_the_encoder():
    """Larsen et al.: the encoder learns from the reconstruction and the prior alone."""
    network = vaegan()
    image, noise, drawn = torch.rand(2, 1, *SIZE), torch.randn(2, 3), torch.randn(2, 3)
    out = network(image, noise, drawn)
    torch.testing.assert_close(out.judged[:2], out.reconstruction)
    torch.testing.assert_close(out.judged[2:], network.generator(drawn))
    out.judged.sum().backward(retain_graph=True)
    assert all(p.grad is None or not p.grad.any() for p in network.encoder.parameters())
    out.reconstruction.sum().backward()
    assert any(p.grad is not None and p.grad.any() for p in network.encoder.parameters())


def test_codes_are_those_of_the_posterior():
    network = vaegan()
    image, noise = torch.rand(2, 1, *SIZE), torch.randn(2, 3)
    mean, sigma = network.encode(image)
    out = network(image, noise, noise)
    torch.testing.assert_close(out.reconstruction, network.generator(mean + sigma * noise))
    assert bool((sigma > 0).all())


def test_the_losses_of_an_lsgan_are_least_squares_of_codes_from_the_samples_seeds():
    """With a learning rate of 0 both losses can be computed again."""
    network, judge = generator(), discriminator()
    out = run(LSGANTrainer, network, lr=0.0, judge=judge)[0]
    torch.testing.assert_close(out["pred"], network(per_sample_randn(out["seeds"], "code", (3,))))
    fake, real = judge(out["pred"])[-1], judge(out["image"])[-1]
    torch.testing.assert_close(out["adversarial_loss"], (fake - 1).square().mean())
    torch.testing.assert_close(out["discriminator_loss"], 0.5 * (fake.square().mean() + (real - 1).square().mean()))
    torch.testing.assert_close(out["loss"], out["adversarial_loss"])


def test_the_losses_of_a_vaegan_are_those_of_its_terms():
    network, judge = vaegan(), discriminator()
    weights = {"kl_weight": 0.2, "feature_weight": 0.3, "reconstruction_weight": 0.4, "adversarial_weight": 0.5}
    out = run(VAEGANTrainer, network, lr=0.0, judge=judge, **weights)[0]
    mean, sigma = network.encode(out["image"])
    torch.testing.assert_close(out["kl_loss"], KLDivergenceLoss()(mean, sigma))
    reconstruction = out["pred"][:2]
    features = [judge(volumes)[-2] for volumes in (reconstruction, out["image"])]
    torch.testing.assert_close(out["feature_loss"], (features[0] - features[1]).square().mean())
    torch.testing.assert_close(out["reconstruction_loss"], (reconstruction - out["image"]).abs().mean())
    judged, real = judge(out["pred"])[-1], judge(out["image"])[-1]
    torch.testing.assert_close(out["adversarial_loss"], (judged - 1).square().mean())
    torch.testing.assert_close(out["discriminator_loss"], 0.5 * (judged.square().mean() + (real - 1).square().mean()))
    terms = ("kl_loss", "feature_loss", "reconstruction_loss", "adversarial_loss")
    expected = sum(weight * out[term] for weight, term in zip(weights.values(), terms, strict=True))
    torch.testing.assert_close(out["loss"], expected)


def test_a_vaegan_learns_to_reconstruct():
    """Four blocks: the error falls to a part of what it was."""
    outputs = run(VAEGANTrainer, vaegan(), epochs=60, lr=1e-2, reconstruction_weight=1.0, kl_weight=1e-4)
    errors = [float(out["reconstruction_loss"]) for out in outputs]
    assert sum(errors[-4:]) < 0.5 * sum(errors[:4])


def test_terms_of_a_vaegan_are_left_out():
    outputs = run(VAEGANTrainer, vaegan(), feature_weight=0.0)
    assert {key for key in outputs[0] if key.endswith("_loss")} == {"kl_loss", "adversarial_loss", "discriminator_loss"}


@pytest.mark.parametrize("cls", [LSGANTrainer, VAEGANTrainer])
def test_bf16_follows_fp32(cls):
    make = generator if cls is LSGANTrainer else vaegan
    full, half = (run(cls, make(), precision=precision)[0] for precision in ("fp32", "bf16"))
    assert half["pred"].dtype == torch.float32
    torch.testing.assert_close(half["loss"], full["loss"], rtol=0.05, atol=0)
    assert not torch.equal(half["loss"], full["loss"])


@pytest.mark.parametrize("cls", [LSGANTrainer, VAEGANTrainer])
def test_codes_belong_to_the_sample_not_to_the_batch(cls):
    """With a learning rate of 0 volumes of drawn codes are a function of the sample."""
    make = generator if cls is LSGANTrainer else vaegan
    by_one, by_four = (run(cls, make(), lr=0.0, batch_size=size) for size in (1, 4))
    of_codes = torch.cat([out["pred"][-1:] for out in by_one])
    torch.testing.assert_close(of_codes, by_four[0]["pred"][-4:], atol=1e-5, rtol=1e-4)


def test_batches_without_seeds_are_refused():
    with pytest.raises(ValueError, match="LSGANTrainer draws codes from 'sample_seed'; take a SeededDataset"):
        run(LSGANTrainer, generator(), seed_key=None)


@pytest.mark.parametrize("option", ["kl_weight", "feature_weight", "reconstruction_weight", "adversarial_weight"])
def test_negative_weights_are_named(option):
    with pytest.raises(ValueError, match=f"{option} must not be negative, got -1.0"):
        run(VAEGANTrainer, vaegan(), **{option: -1.0})


def test_a_sample_depends_on_its_seed_alone():
    network = generator().eval()
    three = CodeSampler("fp32")(torch.zeros(3), network, seeds=[5, 6, 7])
    padded = CodeSampler("fp32", batch_size=2)(torch.zeros(1, 2), network, seeds=[6])
    torch.testing.assert_close(padded[0], three[1], atol=1e-6, rtol=1e-5)
    assert not torch.equal(three[0], three[1])
    with pytest.raises(ValueError, match="got 2 seeds for 3 samples"):
        CodeSampler()(torch.zeros(3), network, seeds=[1, 2])
    with pytest.raises(ValueError, match="precision is 'half'"):
        CodeSampler("half")


def diversity(samples: torch.Tensor, data: torch.Tensor, minimum: float = 0.5) -> float:
    """Value of the metric over an engine's epoch, by batches of 2."""
    engine = Engine(lambda engine, batch: batch)
    SampleDiversity(minimum).attach(engine, "diversity")
    engine.run(list(zip(samples.split(2), data.split(2), strict=True)))
    return engine.state.metrics["diversity"]


def test_diversity_is_the_ratio_of_the_standard_deviations():
    generator = torch.Generator().manual_seed(0)
    samples, data = torch.rand(2, 5, 1, 4, 4, 4, generator=generator).double()
    samples = 0.3 * samples
    expected = (samples.var(0).mean() / data.var(0).mean()).sqrt()
    assert diversity(samples, data) == pytest.approx(float(expected), rel=1e-9)
    assert diversity(0.5 + 0.7 * data, data) == pytest.approx(0.7, rel=1e-9)


def test_one_volume_for_all_codes_is_a_collapse(caplog):
    data = torch.rand(4, 1, 4, 4, 4)
    with caplog.at_level(logging.WARNING):
        assert diversity(data, data) == 1
        assert caplog.text == ""
        assert diversity(data[:1].expand(4, -1, -1, -1, -1), data) == 0
    assert "Mode collapse: samples differ from each other 0.000 times" in caplog.text


def test_the_diversity_of_one_image_is_unknown(caplog):
    with caplog.at_level(logging.WARNING):
        assert math.isnan(diversity(torch.rand(1, 1, 2, 2, 2), torch.rand(1, 1, 2, 2, 2)))
    assert "A collapse would not be seen: the diversity needs 2 images" in caplog.text


def test_rows_of_a_longer_run_begin_with_those_of_a_shorter_one():
    assert sample_rows(5, seed=3)[:2] == sample_rows(2, seed=3)
    assert sample_rows(1, seed=3) != sample_rows(1, seed=4)
    assert [row["participant_id"] for row in sample_rows(2)] == ["sub-0001", "sub-0002"]
    with pytest.raises(ValueError, match="num_samples is 0, expected a whole number of at least 1"):
        sample_rows(0)
