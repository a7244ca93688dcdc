import copy

import pytest
import torch
from brain_bundles.data import EpochSampler, SeededDataset
from brain_bundles.engines import AutoencoderTrainer
from brain_bundles.engines.scalar_losses import scalar_losses
from brain_bundles.losses import KLDivergenceLoss
from ignite.engine import Events
from monai.data import DataLoader
from monai.networks.nets import VQVAE, AutoencoderKL, PatchDiscriminator
from torch import nn


def autoencoder(spatial_dims: int = 3) -> AutoencoderKL:
    torch.manual_seed(0)
    return AutoencoderKL(
        spatial_dims,
        num_res_blocks=(1, 1),
        channels=(4, 8),
        attention_levels=(False, False),
        latent_channels=2,
        norm_num_groups=2,
        with_encoder_nonlocal_attn=False,
        with_decoder_nonlocal_attn=False,
    )


def discriminator() -> PatchDiscriminator:
    torch.manual_seed(1)
    return PatchDiscriminator(spatial_dims=3, channels=4, in_channels=1, num_layers_d=1)


def images(spatial_dims: int = 3, count: int = 4) -> list[dict]:
    generator = torch.Generator().manual_seed(0)
    return [{"image": torch.rand((1,) + (8,) * spatial_dims, generator=generator)} for _ in range(count)]


def loader(batch_size: int = 2, spatial_dims: int = 3) -> DataLoader:
    dataset = SeededDataset(images(spatial_dims), seed=1)
    return DataLoader(dataset, batch_size=batch_size, sampler=EpochSampler(dataset, seed=1))


def run(
    network: nn.Module | None = None,
    data: DataLoader | None = None,
    epochs: int = 1,
    lr: float = 1e-3,
    cls=AutoencoderTrainer,
    **kwargs,
):
    """A trained trainer and the output of each of its iterations."""
    network = network or autoencoder()
    if kwargs.get("discriminator") is not None:
        kwargs["discriminator_optimizer"] = torch.optim.Adam(kwargs["discriminator"].parameters(), lr=lr)
    optimizer = torch.optim.Adam(network.parameters(), lr=lr)
    trainer = cls("cpu", epochs, data or loader(), network, optimizer, decollate=False, **kwargs)
    outputs: list[dict] = []
    trainer.add_event_handler(Events.ITERATION_COMPLETED, lambda engine: outputs.append(dict(engine.state.output)))
    trainer.run()
    return trainer, outputs


def test_loss_is_the_weighted_sum_of_the_terms():
    class Squared(nn.Module):
        def forward(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
            return (a - b).square().mean()

    _, outputs = run(
        discriminator=discriminator(),
        kl_weight=0.1,
        perceptual_loss=Squared(),
        perceptual_weight=0.2,
        adversarial_weight=0.3,
        adversarial_warmup_epochs=0,
    )
    for out in outputs:
        expected = (
            out["reconstruction_loss"]
            + 0.1 * out["kl_loss"]
            + 0.2 * out["perceptual_loss"]
            + 0.3 * out["adversarial_loss"]
        )
        torch.testing.assert_close(out["loss"], expected)
        assert out["discriminator_loss"] > 0


def test_first_iteration_equals_the_terms_computed_by_hand():
    network = autoencoder()
    reference = copy.deepcopy(network)
    _, outputs = run(network, epochs=1)
    first = outputs[0]
    mu, sigma = reference.encode(first["image"])
    torch.testing.assert_close(first["kl_loss"], KLDivergenceLoss()(mu, sigma))
    torch.testing.assert_close(first["reconstruction_loss"], (first["pred"] - first["image"]).abs().mean())


def test_training_lowers_the_reconstruction_error():
    _, outputs = run(epochs=30, lr=5e-3)
    errors = [float(out["reconstruction_loss"]) for out in outputs]
    assert sum(errors[-4:]) < 0.7 * sum(errors[:4])  # 0.41 measured


def test_discriminator_waits_for_the_warm_up():
    net = discriminator()
    before = copy.deepcopy(net.state_dict())
    _, outputs = run(epochs=1, discriminator=net, adversarial_warmup_epochs=1)
    assert all(torch.equal(before[name], value) for name, value in net.state_dict().items())
    assert "adversarial_loss" not in outputs[-1]
    _, outputs = run(epochs=2, discriminator=net, adversarial_warmup_epochs=1)
    assert ["discriminator_loss" in out for out in outputs] == [False, False, True, True]
    assert not all(torch.equal(before[name], value) for name, value in net.state_dict().items())
    assert all(parameter.requires_grad for parameter in net.parameters())


def test_gradient_of_the_discriminator_is_that_of_the_least_squares_loss():
    """With a learning rate of 0 the gradient of the last step can be computed again from its images."""
    net = discriminator()
    _, outputs = run(discriminator=net, adversarial_warmup_epochs=0, lr=0.0)
    reference = copy.deepcopy(net)
    reference.zero_grad()
    fake, real = reference(outputs[-1]["pred"])[-1], reference(outputs[-1]["image"])[-1]
    (0.5 * (fake.square().mean() + (real - 1).square().mean())).backward()
    for ours, theirs in zip(net.parameters(), reference.parameters(), strict=True):
        torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-4, atol=1e-6)


def test_gradient_norm_is_clipped():
    trainer, _ = run(gradient_clip_norm=1e-3)
    norm = torch.stack([p.grad.norm() for p in trainer.network.parameters() if p.grad is not None]).norm()
    assert norm == pytest.approx(1e-3, rel=1e-3)


def test_bf16_follows_fp32():
    """bfloat16 has 8 bits: a forward pass of a few layers is right to about 1 %."""
    _, full = run()
    _, half = run(precision="bf16")
    assert half[0]["pred"].dtype == torch.float32
    torch.testing.assert_close(half[0]["loss"], full[0]["loss"], rtol=0.03, atol=0)
    assert not torch.equal(half[0]["loss"], full[0]["loss"])


def test_latent_noise_belongs_to_the_sample_not_to_the_batch():
    """With a learning rate of 0, reconstructions are a function of the sample, so the batch size cannot matter."""
    _, by_two = run(data=loader(batch_size=2), lr=0.0)
    _, by_four = run(data=loader(batch_size=4), lr=0.0)
    torch.testing.assert_close(torch.cat([out["pred"] for out in by_two]), by_four[0]["pred"], rtol=1e-4, atol=1e-5)


def test_two_dimensional_autoencoder():
    _, outputs = run(autoencoder(2), loader(spatial_dims=2))
    assert outputs[0]["pred"].shape == (2, 1, 8, 8)


def test_a_vq_vae_is_trained_with_its_quantisation_loss():
    network = VQVAE(
        3,
        1,
        1,
        channels=(4, 4),
        num_res_layers=1,
        num_res_channels=(4, 4),
        downsample_parameters=((2, 4, 1, 1),) * 2,
        upsample_parameters=((2, 4, 1, 1, 0),) * 2,
        num_embeddings=8,
        embedding_dim=4,
    )
    _, outputs = run(network, quantisation_weight=0.5)
    assert set(outputs[0]) == {"image", "pred", "loss", "reconstruction_loss", "quantisation_loss"}
    for out in outputs:
        torch.testing.assert_close(out["loss"], out["reconstruction_loss"] + 0.5 * out["quantisation_loss"])


def test_the_perplexity_of_a_codebook_is_reported(make_vq_autoencoder):
    _, outputs = run(make_vq_autoencoder())
    assert {"quantisation_loss", "perplexity"} <= set(scalar_losses(outputs[0]))
    assert all(1 <= float(out["perplexity"]) <= 8 for out in outputs)


def pairs() -> DataLoader:
    items = [{**item, "label": 1 - item["image"]} for item in images()]
    dataset = SeededDataset(items, seed=1)
    return DataLoader(dataset, batch_size=2, sampler=EpochSampler(dataset, seed=1))


def test_with_labels_any_network_learns_from_image_to_label():
    """A convolution of one voxel can learn 1 - x exactly."""
    network = nn.Conv3d(1, 1, 1)
    _, outputs = run(network, pairs(), epochs=150, lr=0.03)
    assert set(outputs[0]) == {"image", "label", "pred", "loss", "reconstruction_loss"}
    assert float(outputs[-1]["reconstruction_loss"]) < 0.02
    assert float(network.weight) == pytest.approx(-1, abs=0.1)


def test_a_conditional_discriminator_sees_the_input_beside_the_label_and_the_result():
    seen = []

    class Recorder(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv3d(2, 1, 1)

        def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
            seen.append(x.detach().clone())
            return [self.conv(x)]

    options = {"adversarial_warmup_epochs": 0, "conditional_discriminator": True}
    _, outputs = run(nn.Conv3d(1, 1, 1), pairs(), discriminator=Recorder(), **options)
    out, (term, fake, real) = outputs[0], seen[:3]  # the generator's step, then the discriminator's two
    for shown in (term, fake, real):
        torch.testing.assert_close(shown[:, :1], out["image"])
    torch.testing.assert_close(term[:, 1:], out["pred"])
    torch.testing.assert_close(fake[:, 1:], out["pred"])
    torch.testing.assert_close(real[:, 1:], out["label"])


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"kl_weight": -1.0}, "kl_weight must not be negative, got -1.0"),
        ({"gradient_clip_norm": 0.0}, "gradient_clip_norm must be positive, got 0.0"),
        ({"precision": "half"}, "precision is 'half'; allowed: fp32"),
        ({"precision": "fp16"}, "'fp16' needs a GPU"),
    ],
)
def test_bad_arguments_are_named(kwargs, message):
    with pytest.raises(ValueError, match=message):
        run(**kwargs)


def test_discriminator_without_optimizer_is_refused():
    network = autoencoder()
    with pytest.raises(ValueError, match="needs discriminator_optimizer"):
        AutoencoderTrainer(
            "cpu", 1, loader(), network, torch.optim.Adam(network.parameters()), discriminator=discriminator()
        )
