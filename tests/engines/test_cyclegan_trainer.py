from __future__ import annotations

from typing import Any

import pytest
import torch
from brain_bundles.data import EpochSampler, SeededDataset, UnpairedDataset
from brain_bundles.engines import CycleGANTrainer, ImagePool
from brain_bundles.networks import CycleGenerators, DomainDiscriminators
from ignite.engine import Events
from monai.data import DataLoader
from monai.networks.nets import PatchDiscriminator
from torch import nn


class Shift(nn.Module):
    """Adds a number that can be learned."""

    def __init__(self, by: float) -> None:
        super().__init__()
        self.by = nn.Parameter(torch.tensor(by))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.by


def items(people: int = 4) -> list[dict[str, Any]]:
    """Sources around 0.2, targets around 0.7."""
    generator = torch.Generator().manual_seed(0)
    noise = torch.rand(people, 2, 1, 16, 16, generator=generator) * 0.1
    return [
        {"participant_id": f"sub-{i}", "image": 0.2 + noise[i, 0], "label": 0.7 + noise[i, 1]} for i in range(people)
    ]


def discriminators() -> DomainDiscriminators:
    torch.manual_seed(0)
    options = {"spatial_dims": 2, "channels": 4, "in_channels": 1, "num_layers_d": 1, "norm": "INSTANCE"}
    return DomainDiscriminators(PatchDiscriminator(**options), PatchDiscriminator(**options))


def run(generators: CycleGenerators, epochs: int = 1, rate: float = 0.0, **options: Any):
    dataset = UnpairedDataset(SeededDataset(items(), seed=1))
    loader = DataLoader(dataset, batch_size=2, sampler=EpochSampler(dataset, seed=1))
    judges = options.setdefault("discriminator", discriminators())
    trainer = CycleGANTrainer(
        "cpu",
        epochs,
        loader,
        generators,
        torch.optim.Adam(generators.parameters(), lr=rate),
        discriminator_optimizer=torch.optim.Adam(judges.parameters(), lr=1e-3),
        decollate=False,
        **options,
    )
    outputs: list[dict] = []
    trainer.add_event_handler(Events.ITERATION_COMPLETED, lambda engine: outputs.append(dict(engine.state.output)))
    trainer.run()
    return trainer, outputs


def test_generators_that_invert_each_other_have_no_cycle_loss():
    _, outputs = run(CycleGenerators(Shift(0.25), Shift(-0.25)))
    assert len(outputs) == 2
    for out in outputs:
        assert float(out["cycle_loss"]) == pytest.approx(0, abs=1e-6)
        assert float(out["identity_loss"]) == pytest.approx(0.25, abs=1e-6)
        torch.testing.assert_close(out["pred"][:2], out["image"] + 0.25)  # translations of the batch's images first
        torch.testing.assert_close(out["pred"][2:], out["label"] - 0.25)


def test_the_loss_is_the_weighted_sum_of_the_terms():
    _, outputs = run(
        CycleGenerators(Shift(0.3), Shift(-0.1)), cycle_weight=3.0, identity_weight=2.0, adversarial_weight=0.5
    )
    for out in outputs:
        assert float(out["cycle_loss"]) == pytest.approx(0.2, abs=1e-6)
        assert float(out["identity_loss"]) == pytest.approx(0.2, abs=1e-6)
        expected = 3 * out["cycle_loss"] + 2 * out["identity_loss"] + 0.5 * out["adversarial_loss"]
        torch.testing.assert_close(out["loss"], expected)
    _, outputs = run(CycleGenerators(Shift(0.3), Shift(-0.1)), identity_weight=0.0)
    assert all("identity_loss" not in out for out in outputs)


def test_the_adversarial_loss_is_the_least_squares_of_each_discriminator_for_its_contrast():
    _, outputs = run(CycleGenerators(Shift(0.5), Shift(-0.5)), image_pool=ImagePool(0))
    image, label = outputs[0]["image"], outputs[0]["label"]
    frozen = discriminators()  # as they were in the first step
    with torch.no_grad():
        fakes = [frozen.target(image + 0.5)[-1], frozen.source(label - 0.5)[-1]]
        real = [frozen.target(label)[-1], frozen.source(image)[-1]]
    adversarial = torch.cat([(one - 1).square() for one in fakes]).mean()
    judged = 0.5 * (torch.cat(fakes).square().mean() + torch.cat([(one - 1).square() for one in real]).mean())
    torch.testing.assert_close(outputs[0]["adversarial_loss"], adversarial)
    torch.testing.assert_close(outputs[0]["discriminator_loss"], judged)


def test_the_generators_learn_the_shift_between_the_contrasts_without_pairs():
    generators = CycleGenerators(Shift(0.0), Shift(0.0))
    run(generators, epochs=150, rate=0.01, identity_weight=0.0, cycle_weight=1.0)
    assert generators.to_target.by.item() == pytest.approx(0.5, abs=0.15)
    assert generators.to_source.by.item() == pytest.approx(-0.5, abs=0.15)


def test_the_discriminators_see_older_translations():
    pool = ImagePool(4)
    trainer, _ = run(CycleGenerators(Shift(0.25), Shift(-0.25)), epochs=3, image_pool=pool)
    assert trainer.image_pool is pool
    assert len(pool.images) == 4
    assert all(one.shape == (2, 1, 16, 16) for one in pool.images)  # target and source of one sample
    assert all(float(one[0].mean()) < 0.55 < 0.5 + float(one[1].mean()) for one in pool.images)


def test_bad_settings_are_named():
    generators = CycleGenerators(Shift(0.0), Shift(0.0))
    with pytest.raises(ValueError, match="cycle_weight must not be negative, got -1; 0 turns the term off"):
        run(generators, cycle_weight=-1)
    with pytest.raises(ValueError, match="a CycleGAN has no pairs for a perceptual_loss; leave it out"):
        run(generators, perceptual_loss=nn.L1Loss())
    judges = discriminators()
    trainer = CycleGANTrainer(
        "cpu",
        1,
        [{"image": torch.rand(1, 1, 16, 16), "label": torch.rand(1, 1, 16, 16)}],
        generators,
        torch.optim.Adam(generators.parameters()),
        discriminator=judges,
        discriminator_optimizer=torch.optim.Adam(judges.parameters()),
    )
    with pytest.raises(ValueError, match="CycleGANTrainer draws from 'sample_seed'; take a SeededDataset"):
        trainer.run()
