"""A decoder that learns from generated latents."""

from __future__ import annotations

import copy

import pytest
import torch
from brain_bundles.data import EpochSampler, GeneratedLatents, SeededDataset, write_latents
from brain_bundles.engines import DecoderTrainer
from brain_bundles.networks import LatentAutoencoderKL
from ignite.engine import Events
from monai.data import DataLoader
from monai.networks.layers import GaussianFilter
from monai.networks.nets import PatchDiscriminator


def autoencoder() -> LatentAutoencoderKL:
    torch.manual_seed(0)
    return LatentAutoencoderKL(
        3,
        num_res_blocks=(1, 1),
        channels=(4, 8),
        attention_levels=(False, False),
        latent_channels=2,
        norm_num_groups=2,
        with_encoder_nonlocal_attn=False,
        with_decoder_nonlocal_attn=False,
    ).freeze_encoder()


class Sampler:
    """Latents of seeds alone; counts how many it makes at once."""

    batch_size = 4

    def __init__(self) -> None:
        self.batches: list[int] = []

    def sample_latents(self, context: torch.Tensor, network: object, *, seeds: list[int]) -> torch.Tensor:
        self.batches.append(len(context))
        return torch.stack([torch.randn(2, 6, 6, 6, generator=torch.Generator().manual_seed(seed)) for seed in seeds])


@pytest.fixture
def latents(tmp_path):
    """A file of six latents, 2x6x6x6, of the autoencoder above."""
    sampler, path = Sampler(), tmp_path / "folder" / "latents.pt"
    write_latents(path, sampler, None, torch.zeros(6, 1, 4), list(range(6)), autoencoder())
    assert sampler.batches == [4, 2]
    return path


def train(path, batch_size: int = 2, lr: float = 1e-3, adversarial_weight: float = 0.3, **options):
    """The network after an epoch of four images, and the output of each iteration."""
    torch.manual_seed(1)
    network, discriminator = autoencoder(), PatchDiscriminator(3, 4, 1, num_layers_d=1, norm=None)
    images = [{"image": torch.rand(1, 8, 8, 8)} for _ in range(4)]
    dataset = SeededDataset(images, seed=1)
    trainer = DecoderTrainer(
        "cpu",
        1,
        DataLoader(dataset, batch_size=batch_size, sampler=EpochSampler(dataset, seed=1)),
        network,
        torch.optim.SGD([one for one in network.parameters() if one.requires_grad], lr=lr),
        discriminator=discriminator,
        discriminator_optimizer=torch.optim.SGD(discriminator.parameters(), lr=lr),
        adversarial_weight=adversarial_weight,
        adversarial_warmup_epochs=0,
        generated=GeneratedLatents(path, network, (8, 8, 8)),
        reference=copy.deepcopy(network),
        low_pass=GaussianFilter(3, 1.0),
        decollate=False,
        **options,
    )
    outputs: list[dict] = []
    trainer.add_event_handler(Events.ITERATION_COMPLETED, lambda engine: outputs.append(dict(engine.state.output)))
    trainer.run()
    return network, outputs


def test_only_the_decoder_moves_and_by_the_generated_latents_too(latents):
    before = autoencoder().state_dict()
    with_term, _ = train(latents, consistency_weight=50.0)
    without, _ = train(latents, consistency_weight=0.0)
    for name, value in with_term.state_dict().items():
        if name.startswith(with_term.encoding):
            torch.testing.assert_close(value, before[name], rtol=0, atol=0)
    name = "decoder.blocks.0.conv.weight"
    assert not torch.equal(with_term.state_dict()[name], before[name])
    assert not torch.equal(with_term.state_dict()[name], without.state_dict()[name])


def test_the_consistency_loss_is_zero_while_the_decoder_is_the_reference(latents):
    _, outputs = train(latents, batch_size=4, lr=0.0)
    assert float(outputs[0]["consistency_loss"]) == 0
    _, moved = train(latents, lr=0.1)
    assert float(moved[1]["consistency_loss"]) > 0


def test_the_discriminator_sees_generated_images_as_well(latents):
    """Its loss with and without them differs, though both begin with the same weights."""
    _, outputs = train(latents, batch_size=4, lr=0.0)
    other = torch.load(latents, weights_only=True)
    torch.save({**other, "latents": 5 * other["latents"]}, latents)
    _, louder = train(latents, batch_size=4, lr=0.0)
    assert float(outputs[0]["reconstruction_loss"]) == float(louder[0]["reconstruction_loss"])
    assert float(outputs[0]["discriminator_loss"]) != float(louder[0]["discriminator_loss"])
    assert float(outputs[0]["adversarial_loss"]) != float(louder[0]["adversarial_loss"])


def test_patches_follow_the_seeds_of_the_samples(latents):
    pool = GeneratedLatents(latents, autoencoder(), (8, 8, 8))
    together = pool.draw([5, 6, 7])
    assert together.shape == (3, 2, 4, 4, 4)
    torch.testing.assert_close(together[1:2], pool.draw([6]), rtol=0, atol=0)
    assert not torch.equal(together[0], together[1])
    whole = torch.load(latents, weights_only=True)["latents"]
    patches = whole.unfold(2, 4, 1).unfold(3, 4, 1).unfold(4, 4, 1)  # (6, 2, 3, 3, 3, 4, 4, 4)
    assert bool((patches == together[0][None, :, None, None, None]).all(-1).all(-1).all(-1).all(1).any())


def test_what_does_not_fit_is_refused(latents, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none.pt does not exist; sample them with sample_latents.json"):
        GeneratedLatents(tmp_path / "none.pt", autoencoder(), (8, 8, 8))
    other = autoencoder()
    other.latent_mean.add_(1.0)
    with pytest.raises(ValueError, match=r"are of another encoder; sample them again"):
        GeneratedLatents(latents, other, (8, 8, 8))
    with pytest.raises(ValueError, match=r"patch_size \[8, 16, 8\] is larger than the volume"):
        GeneratedLatents(latents, autoencoder(), (8, 16, 8))
    with pytest.raises(ValueError, match="consistency_weight must not be negative, got -1"):
        train(latents, consistency_weight=-1)
    with pytest.raises(ValueError, match="conditional_discriminator must be false"):
        train(latents, conditional_discriminator=True)
