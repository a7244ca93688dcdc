"""From sources to all their targets: one encoding per source, one batch for its targets."""

from __future__ import annotations

import pytest
import torch
from brain_bundles.inferers import Denoiser, LatentDecoder, LatentSampler
from brain_bundles.schedulers import DenoisingSteps, make_scheduler
from brain_mri_adaptive_translator import AdaptiveTranslator, SplitTargetsd, TargetsPrepareBatch, group_by_image
from monai.data import DataLoader, Dataset


def translator(
    adaptive, *, denoising_start: float = 0.0, decode_slab_size: int | None = None, temperature: float = 1.0, **options
) -> AdaptiveTranslator:
    adaptive.eval().set_latent_statistics([0.5, -1.0], [2.0, 0.5])
    scheduler = make_scheduler("dpm_solver", prediction_type="v_prediction")
    sampler = LatentSampler(
        DenoisingSteps(scheduler, 4, denoising_start=denoising_start),
        Denoiser(mode="concat", temperature=temperature, precision="fp32"),
        LatentDecoder(adaptive, precision="fp32", slab_size=decode_slab_size),
        latent_shape=None,
    )
    return AdaptiveTranslator(sampler, **options)


def volumes(number: int) -> torch.Tensor:
    return torch.rand(number, 1, 8, 8, 8, generator=torch.Generator().manual_seed(1))


def test_each_source_is_encoded_once_and_its_targets_are_one_batch(adaptive, network):
    encoded, denoised = [], []
    adaptive.autoencoder.encoder.register_forward_pre_hook(lambda module, inputs: encoded.append(len(inputs[0])))
    network.register_forward_pre_hook(lambda module, inputs: denoised.append(len(inputs[0])))
    source = volumes(2)[[0, 0, 1]]
    images = ["a", "a", "b"]
    out = translator(adaptive)(source, network, seeds=[1, 2, 3], targets=["T2w", "FLAIR", "T1w"], images=images)
    assert out.shape == source.shape
    assert encoded == [2]
    assert denoised == [3] * 4
    alone = translator(adaptive)(source[1:2], network, seeds=[2], targets=["FLAIR"])
    torch.testing.assert_close(out[1:2], alone, rtol=1e-4, atol=1e-5)
    other = translator(adaptive)(source[2:3], network, seeds=[3], targets=["T1w"])
    torch.testing.assert_close(out[2:3], other, rtol=1e-4, atol=1e-5)


def test_ms_spade_alone_needs_no_network(adaptive):
    source = volumes(2)
    out = translator(adaptive, diffusion=False)(source, None, seeds=[1, 2], targets=["T2w", "FLAIR"])
    with torch.no_grad():
        like = adaptive.target_like(adaptive.encode_moments(source)[0], [1, 2])
        expected = adaptive.decode_stage_2_outputs(like).clamp(0, 1)
    torch.testing.assert_close(out, expected, rtol=1e-4, atol=1e-5)


def test_decoding_in_slabs_gives_the_same_volumes(adaptive, network):
    whole, slabs = translator(adaptive), translator(adaptive, decode_slab_size=2)
    options = {"seeds": [1], "targets": ["T2w"]}
    torch.testing.assert_close(
        slabs(volumes(1), network, **options), whole(volumes(1), network, **options), rtol=1e-4, atol=1e-5
    )


def test_a_start_at_the_target_like_latent_takes_fewer_steps(adaptive, network):
    calls = []
    network.register_forward_pre_hook(lambda module, inputs: calls.append(1))
    middle = translator(adaptive, start="target_like", denoising_start=0.7)
    out = middle(volumes(1), network, seeds=[1], targets=["T2w"])
    assert 0 < len(calls) < 4
    whole = translator(adaptive)(volumes(1), network, seeds=[1], targets=["T2w"])
    assert not torch.equal(out, whole)


def test_rows_of_a_source_become_a_batch():
    rows = [
        {"participant_id": who, "image": f"{who}.nii", "target": target, "seed": seed}
        for seed, (who, target) in enumerate([("a", "T2w"), ("a", "FLAIR"), ("b", "T2w")])
    ]
    groups = group_by_image(rows)
    assert [len(group["rows"]) for group in groups] == [2, 1]

    def load(item: dict) -> list[dict]:
        return SplitTargetsd()({**item, "image": torch.full((1, 2, 2, 2), float(ord(item["image"][0])))})

    batches = list(DataLoader(Dataset(groups, load), batch_size=1))
    source, label, args, options = TargetsPrepareBatch()(batches[0], "cpu")
    assert source.shape == (2, 1, 2, 2, 2)
    assert label is None
    assert args == ()
    assert options == {"seeds": [0, 1], "targets": ["T2w", "FLAIR"], "images": ["a.nii", "a.nii"]}
    assert batches[1]["target"] == ["T2w"]


def test_bad_arguments(adaptive, network):
    with pytest.raises(ValueError, match="unknown contrast 'PDw'; this model knows T1w, T2w, FLAIR"):
        translator(adaptive)(volumes(1), network, seeds=[1], targets=["PDw"])
    with pytest.raises(ValueError, match="start is 'middle'; allowed: noise, target_like"):
        translator(adaptive, start="middle")
    with pytest.raises(ValueError, match=r"temperature is 0\.5; a translation needs 1"):
        translator(adaptive, temperature=0.5)
