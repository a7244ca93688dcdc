"""Autoencoder and MS-SPADE together: the order of the parts, and that all of them learn."""

from __future__ import annotations

import re

import pytest
import torch
from brain_bundles.data import SeededDataset
from brain_bundles.losses import WeightedMSELoss
from brain_bundles.transforms import RandContrastPair
from brain_bundles.utils import load_weights
from brain_mri_adaptive_translator import (
    MSSPADE,
    AdaptiveAutoencoder,
    AdaptiveAutoencoderTrainer,
    LatentPairPrepareBatch,
    LatentTranslation,
    measure_channel_std,
)
from ignite.engine import Events
from monai.data import DataLoader
from monai.networks.nets import PatchDiscriminator

CONTRASTS = ["T1w", "T2w", "FLAIR"]


def images(batch: int = 2, seed: int = 1) -> torch.Tensor:
    return torch.rand(batch, 1, 8, 8, 8, generator=torch.Generator().manual_seed(seed))


@torch.no_grad()
def test_the_decoder_sees_quantised_latents_alone(adaptive):
    adaptive.eval()
    seen = []
    adaptive.autoencoder.post_quant_conv.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    adaptive(images(seed=2), images(), [0, 1], [2, 0])
    adaptive.decode_stage_2_outputs(adaptive.target_like(adaptive.encode_moments(images())[0], [1, 2]))
    assert len(seen) == 3
    for latents in seen:
        torch.testing.assert_close(adaptive.autoencoder.quantiser.quantise(latents), latents)


@torch.no_grad()
def test_the_parts_are_those_of_the_networks(adaptive):
    adaptive.eval()
    source, target = images(), images(seed=2)
    out = adaptive(target, source, [0, 1], [2, 0])
    torch.testing.assert_close(out.reconstruction, adaptive.autoencoder.reconstruct(target))
    like = adaptive.target_like(adaptive.encode_moments(source)[0], [2, 0])
    torch.testing.assert_close(out.translation, adaptive.decode_stage_2_outputs(like))
    back = adaptive.target_like(adaptive.encode_moments(out.translation)[0], [0, 1])
    torch.testing.assert_close(out.cycle, adaptive.decode_stage_2_outputs(back), rtol=1e-4, atol=1e-5)
    assert adaptive(target, source, [0, 1], [2, 0], cycle=False).cycle is None


@torch.no_grad()
def test_statistics_change_the_scale_and_not_the_image(adaptive):
    adaptive.eval()

    def translated() -> torch.Tensor:
        return adaptive.translate(images(), [1, 2])

    before = translated()
    adaptive.set_latent_statistics([0.5, -1.0], [2.0, 0.5])
    torch.testing.assert_close(translated(), before, rtol=1e-4, atol=1e-5)


def pairs(latents: bool = False) -> DataLoader:
    items: list[dict] = []
    for person in range(12):
        items.append({"participant_id": f"sub-{person}"})
        for number, name in enumerate(CONTRASTS):
            volume = images(1, seed=10 * person + number)[0]
            if latents:
                items[-1] |= {f"{name}_mean": volume.repeat(2, 1, 1, 1), f"{name}_sigma": 0 * volume}
            else:
                items[-1][name] = volume
    dataset = SeededDataset(items, RandContrastPair(CONTRASTS))
    return DataLoader(dataset, batch_size=6)


def train(adaptive, **options):
    optimizer = torch.optim.Adam(adaptive.parameters(), 1e-3)
    discriminator = PatchDiscriminator(spatial_dims=3, channels=4, in_channels=1, num_layers_d=1, norm="INSTANCE")
    outputs = []
    trainer = AdaptiveAutoencoderTrainer(
        "cpu",
        1,
        pairs(),
        adaptive,
        optimizer,
        discriminator=discriminator,
        discriminator_optimizer=torch.optim.Adam(discriminator.parameters(), 1e-3),
        adversarial_warmup_epochs=0,
        decollate=False,
        **options,
    )
    trainer.add_event_handler(Events.ITERATION_COMPLETED, lambda engine: outputs.append(dict(engine.state.output)))
    trainer.run()
    return outputs


def test_every_loss_has_a_weight(adaptive):
    def perceptual(prediction, truth):
        return (prediction.mean() - truth.mean()).abs()

    weights = {
        "reconstruction_weight": 0.7,
        "translation_weight": 0.9,
        "quantisation_weight": 0.5,
        "adversarial_weight": 0.1,
        "perceptual_weight": 0.3,
        "cycle_weight": 2.0,
    }
    for out in train(adaptive, perceptual_loss=perceptual, **weights):
        total = sum(weight * out[name.replace("weight", "loss")] for name, weight in weights.items())
        torch.testing.assert_close(out["loss"], total)
        assert 1 <= float(out["perplexity"]) <= 8


def test_every_parameter_learns_in_the_joint_stage(adaptive):
    before = {name: value.detach().clone() for name, value in adaptive.named_parameters()}
    train(adaptive)
    same = [name for name, value in adaptive.named_parameters() if torch.equal(value, before[name])]
    assert same == []


def test_the_first_of_two_stages_leaves_ms_spade_alone(adaptive):
    before = {name: value.detach().clone() for name, value in adaptive.named_parameters()}
    outputs = train(adaptive, translation_weight=0, cycle_weight=0)
    assert all(not {"translation_loss", "cycle_loss"} & set(out) for out in outputs)
    same = {name for name, value in adaptive.named_parameters() if torch.equal(value, before[name])}
    assert same == {name for name in before if name.startswith("ms_spade")}


def test_without_a_cycle_there_is_no_term(adaptive):
    assert all("cycle_loss" not in out for out in train(adaptive, cycle_weight=0))
    with pytest.raises(ValueError, match="a cycle needs a translation"):
        train(adaptive, translation_weight=0)
    with pytest.raises(ValueError, match="cycle_weight must not be negative, got -1"):
        train(adaptive, cycle_weight=-1)


def test_only_ms_spade_learns_in_the_second_stage(adaptive):
    adaptive.set_latent_statistics([0.5, -1.0], [2.0, 0.5])
    network = LatentTranslation(adaptive)
    loss_function, prepare = WeightedMSELoss(), LatentPairPrepareBatch(adaptive, cycle_weight=0.5)
    optimizer = torch.optim.Adam([p for p in network.parameters() if p.requires_grad], 1e-2)
    before = {name: value.detach().clone() for name, value in adaptive.state_dict().items()}
    losses = []
    for _ in range(6):
        for batch in pairs(latents=True):
            source, label, indices, _ = prepare(batch, "cpu")
            optimizer.zero_grad()
            loss = loss_function(network.train()(source, *indices), label)
            loss.backward()
            optimizer.step()
            losses.append(float(loss))
    assert losses[-1] < losses[0]
    changed = {name for name, value in adaptive.state_dict().items() if not torch.equal(value, before[name])}
    assert changed == {name for name, _ in adaptive.named_parameters() if name.startswith("ms_spade")}
    assert not adaptive.autoencoder.training


def zero_pair() -> dict:
    zeros = torch.zeros(1, 2, 1, 1, 1)
    return {"image_mean": zeros, "label_mean": zeros, "source": torch.tensor([0]), "target": torch.tensor([1])}


def test_the_latent_loss_is_on_the_raw_scale(adaptive):
    adaptive.set_latent_statistics([0.5, -1.0], [2.0, 0.5])
    prediction = torch.tensor([1.0, 1.0, 3.0, 0.0]).view(2, 2, 1, 1, 1)
    there, back = ((2 * 1) ** 2 + (0.5 * 1) ** 2) / 2, (2 * 3) ** 2 / 2
    _, both, _, _ = LatentPairPrepareBatch(adaptive, cycle_weight=0.5)(zero_pair(), "cpu")
    torch.testing.assert_close(WeightedMSELoss()(prediction, both), torch.tensor(there + 0.5 * back))
    _, alone, _, _ = LatentPairPrepareBatch(adaptive, cycle_weight=0)(zero_pair(), "cpu")
    torch.testing.assert_close(WeightedMSELoss()(prediction[:1], alone), torch.tensor(there))


def test_channels_are_measured_once_and_never_under_trained_weights(adaptive):
    adaptive.set_latent_statistics([0.5, -1.0], [2.0, 0.5])
    items = [{"label_mean": torch.randn(2, 4, 4, 4, generator=torch.Generator().manual_seed(i))} for i in range(8)]
    measured = measure_channel_std(LatentTranslation(adaptive), items)
    std = adaptive.ms_spade.channel_std.clone()
    torch.testing.assert_close(std, torch.tensor([2.0, 0.5]), rtol=0.15, atol=0)  # of unit latents, by their scale
    measure_channel_std(measured, [{"label_mean": 3 * item["label_mean"]} for item in items])
    assert torch.equal(adaptive.ms_spade.channel_std, std)
    adaptive.ms_spade.channel_std.fill_(1)
    torch.nn.init.normal_(adaptive.ms_spade.blocks[0].conv2.weight)  # trained in one stage, where all are 1
    measure_channel_std(measured, items)
    assert torch.equal(adaptive.ms_spade.channel_std, torch.ones(2))


def test_faint_channels_count_more_with_a_power(adaptive):
    adaptive.ms_spade.channel_std.copy_(torch.tensor([2.0, 0.5]))
    prediction = torch.tensor([1.0, 3.0]).view(1, 2, 1, 1, 1)
    # Weights 1/2 and 2, over their mean: 0.4 and 1.6.
    prepare = LatentPairPrepareBatch(adaptive, cycle_weight=0, channel_weight_power=-1)
    loss = WeightedMSELoss()(prediction, prepare(zero_pair(), "cpu")[1])
    torch.testing.assert_close(loss, torch.tensor((0.4 * 1 + 1.6 * 9) / 2))
    with pytest.raises(ValueError, match="channel_weight_power must not be positive, got 1"):
        LatentPairPrepareBatch(adaptive, channel_weight_power=1)
    with pytest.raises(ValueError, match="cycle_weight must not be negative, got -1"):
        LatentPairPrepareBatch(adaptive, cycle_weight=-1)


@pytest.mark.parametrize(
    ("spade", "contrasts", "message"),
    [
        (MSSPADE(3, 2), ["T1w", "T2w"], "MS-SPADE is for 3 contrasts, contrasts names 2"),
        (MSSPADE(3, 4), CONTRASTS, "MS-SPADE is for 4 latent channels, the autoencoder has 2"),
        (MSSPADE(3, 2), ["T1w", "T2w", "T1w"], "contrasts has a name twice"),
    ],
)
def test_parts_that_do_not_fit_are_refused(adaptive, spade, contrasts, message):
    with pytest.raises(ValueError, match=message):
        AdaptiveAutoencoder(adaptive.autoencoder, spade, contrasts)


def test_weights_of_other_contrasts_are_refused(adaptive, tmp_path):
    """Such weights would fit, and give one contrast under the name of another."""
    state = adaptive.state_dict()
    swapped = AdaptiveAutoencoder(adaptive.autoencoder, adaptive.ms_spade, CONTRASTS[::-1])
    message = re.escape(f"contrasts is {CONTRASTS} in the weights and {CONTRASTS[::-1]} here")
    with pytest.raises(ValueError, match=message):
        swapped.load_state_dict(state)
    fewer = AdaptiveAutoencoder(adaptive.autoencoder, MSSPADE(2, 2, channels=(4,), hidden_channels=4), CONTRASTS[:2])
    torch.save(state, tmp_path / "autoencoder.pt")
    message = re.escape(f"contrasts is {CONTRASTS} in the weights and {CONTRASTS[:2]} here")
    with pytest.raises(ValueError, match=message):
        load_weights(fewer, tmp_path / "autoencoder.pt")  # and not a list of keys
    adaptive.load_state_dict(state)


@torch.no_grad()
def test_ms_spade_measures_its_channels(adaptive):
    """Inside, the scale of every channel is 1."""
    adaptive.set_latent_statistics([0.5, -1.0], [2.0, 0.5])
    latents = [{"label_mean": torch.randn(2, 6, 6, 6, generator=torch.Generator().manual_seed(i))} for i in range(8)]
    network = measure_channel_std(LatentTranslation(adaptive), latents)
    assert network.adaptive_autoencoder.ms_spade.channel_std.tolist() == pytest.approx([2.0, 0.5], rel=0.05)
    assert measure_channel_std(network, [{"label_mean": 9 * latents[0]["label_mean"]}]) is network
    assert network.adaptive_autoencoder.ms_spade.channel_std.tolist() == pytest.approx([2.0, 0.5], rel=0.05)
    seen = []
    adaptive.ms_spade.blocks[0].register_forward_hook(lambda _, inputs, __: seen.append(inputs[0]))
    adaptive.target_like(latents[0]["label_mean"][None], [0])
    assert (seen[0] - seen[0].mean()).std((0, 2, 3, 4)).tolist() == pytest.approx([1.0, 1.0], rel=0.1)
