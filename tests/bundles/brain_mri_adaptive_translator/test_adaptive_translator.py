"""From sources to all their targets: one encoding per source, one batch for its targets."""

from __future__ import annotations

import pytest
import torch
from brain_bundles.inferers import Denoiser, LatentDecoder, LatentSampler
from brain_bundles.schedulers import DenoisingSteps, make_scheduler
from brain_bundles.utils import derive_seed
from brain_mri_adaptive_translator import AdaptiveTranslator, PreviewTranslations
from monai.data import MetaTensor


def translator(
    adaptive, *, denoising_start: float = 0.0, decode_slab_size: int | None = None, **options
) -> AdaptiveTranslator:
    adaptive.eval().set_latent_statistics([0.5, -1.0], [2.0, 0.5])
    scheduler = make_scheduler("dpm_solver", prediction_type="v_prediction")
    sampler = LatentSampler(
        DenoisingSteps(scheduler, 4, denoising_start=denoising_start),
        Denoiser(mode="concat", precision="fp32"),
        LatentDecoder(adaptive, precision="fp32", slab_size=decode_slab_size),
        latent_shape=None,
    )
    return AdaptiveTranslator(sampler, **options)


def volume(seed: int = 1) -> torch.Tensor:
    return torch.rand(1, 1, 8, 8, 8, generator=torch.Generator().manual_seed(seed))


def test_a_source_is_encoded_once_and_its_targets_are_one_batch(adaptive, network):
    encoded, denoised = [], []
    adaptive.autoencoder.encoder.register_forward_pre_hook(lambda module, inputs: encoded.append(len(inputs[0])))
    network.register_forward_pre_hook(lambda module, inputs: denoised.append(len(inputs[0])))
    out = translator(adaptive)(volume(), network, targets=["T2w", "FLAIR", "T1w"], seeds=[1, 2, 3])
    assert out.shape == (1, 3, 8, 8, 8)
    assert encoded == [1]
    assert denoised == [3] * 4
    for number, name in enumerate(["T2w", "FLAIR", "T1w"]):
        alone = translator(adaptive)(volume(), network, targets=[name], seeds=[number + 1])
        torch.testing.assert_close(out[:, number : number + 1], alone, rtol=1e-4, atol=1e-5)
    other = translator(adaptive)(volume(2), network, targets=["T1w"], seeds=[3])
    assert not torch.allclose(out[:, 2:], other, atol=1e-3)


def test_ms_spade_alone_needs_no_network(adaptive):
    out = translator(adaptive, diffusion=False)(volume(), None, targets=["T2w", "FLAIR"], seeds=[1, 2])
    with torch.no_grad():
        like = adaptive.target_like(adaptive.encode_moments(volume())[0].repeat(2, 1, 1, 1, 1), [1, 2])
        expected = adaptive.decode_stage_2_outputs(like).clamp(0, 1)
    torch.testing.assert_close(out, expected.transpose(0, 1), rtol=1e-4, atol=1e-5)


def test_decoding_in_slabs_gives_the_same_volumes(adaptive, network):
    whole, slabs = translator(adaptive), translator(adaptive, decode_slab_size=2)
    options = {"seeds": [1], "targets": ["T2w"]}
    torch.testing.assert_close(
        slabs(volume(), network, **options), whole(volume(), network, **options), rtol=1e-4, atol=1e-5
    )


def test_a_start_at_the_target_like_latent_takes_fewer_steps(adaptive, network):
    calls = []
    network.register_forward_pre_hook(lambda module, inputs: calls.append(1))
    middle = translator(adaptive, start="target_like", denoising_start=0.7)
    out = middle(volume(), network, seeds=[1], targets=["T2w"])
    assert 0 < len(calls) < 4
    whole = translator(adaptive)(volume(), network, seeds=[1], targets=["T2w"])
    assert not torch.equal(out, whole)


def test_a_preview_shows_the_same_volume_in_all_other_contrasts(adaptive, network):
    datalist = [{"T2w": "a_T2w.nii.gz", "FLAIR": "a_FLAIR.nii.gz"}, {"T1w": "b_T1w.nii.gz"}]
    loaded = []

    def load(item: dict) -> dict:
        loaded.append(item)
        return {name: MetaTensor(volume()[0]) for name in item}

    preview = PreviewTranslations(translator(adaptive), network, datalist, load, ["T1w", "T2w", "FLAIR"], seed=3)
    shown = preview()
    assert loaded == [{"T2w": "a_T2w.nii.gz"}]
    assert list(shown) == ["T1w", "FLAIR"]
    seeds = [derive_seed(3, "preview", number) for number in (0, 1)]
    expected = translator(adaptive)(volume(), network, targets=["T1w", "FLAIR"], seeds=seeds)
    assert torch.equal(torch.cat(list(shown.values()), dim=1), expected)
    assert torch.equal(preview()["FLAIR"], shown["FLAIR"])


SPREAD = {
    "num_inference_steps": 4,
    "targets": {"T2w": {"scale": 2.0, "floor": 0.1}, "FLAIR": {"scale": 0.0, "floor": 0.3}},
}


def test_several_draws_give_the_means_of_all_targets_then_their_deviations(adaptive, network):
    names, seeds = ["T2w", "FLAIR"], [7, 8]
    made = translator(adaptive, num_draws=3)(volume(), network, targets=names, seeds=seeds)
    of_draws = [seeds, *([derive_seed(seed, "draw", number) for seed in seeds] for number in (1, 2))]
    single = translator(adaptive)
    draws = torch.stack([single(volume(), network, targets=names, seeds=own) for own in of_draws])
    assert made.shape == (1, 4, 8, 8, 8)
    torch.testing.assert_close(made[:, :2], draws.mean(0), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(made[:, 2:], draws.std(0), rtol=1e-3, atol=1e-5)

    calibrated = translator(adaptive, num_draws=3, spread=SPREAD)(volume(), network, targets=names, seeds=seeds)
    torch.testing.assert_close(calibrated[:, :2], made[:, :2])
    torch.testing.assert_close(calibrated[:, 2], ((2 * made[:, 2]).square() + 0.01).sqrt())
    assert calibrated[:, 3].unique().tolist() == pytest.approx([0.3])


def test_draws_that_are_not_calibrated_are_refused(adaptive, network):
    with pytest.raises(ValueError, match="num_draws must be at least 1, got 0"):
        translator(adaptive, num_draws=0)
    with pytest.raises(ValueError, match="num_draws is 2, but without the diffusion nothing is drawn"):
        translator(adaptive, num_draws=2, diffusion=False)
    with pytest.raises(ValueError, match="for the start 'noise', not for 'target_like'"):
        translator(adaptive, num_draws=2, spread=SPREAD, start="target_like")
    with pytest.raises(ValueError, match="for num_inference_steps 5, not for 4"):
        translator(adaptive, num_draws=2, spread={**SPREAD, "num_inference_steps": 5})
    several = translator(adaptive, num_draws=2, spread=SPREAD)
    with pytest.raises(ValueError, match="calibrated for T2w, FLAIR, not for T1w"):
        several(volume(), network, targets=["T2w", "T1w"], seeds=[1, 2])
    one = translator(adaptive, spread={**SPREAD, "num_inference_steps": 5})  # one draw has no deviation
    assert one(volume(), network, targets=["T1w"], seeds=[1]).shape == (1, 1, 8, 8, 8)


def test_bad_arguments(adaptive, network):
    with pytest.raises(ValueError, match="got 2 sources, 1 targets and 1 seeds; expected one source"):
        translator(adaptive)(volume().repeat(2, 1, 1, 1, 1), network, targets=["T2w"], seeds=[1])
    with pytest.raises(ValueError, match=r"got 1 sources, 2 targets and 1 seeds; .* as many seeds as targets"):
        translator(adaptive)(volume(), network, targets=["T2w", "FLAIR"], seeds=[1])
    with pytest.raises(ValueError, match="unknown contrast 'PDw'; this model knows T1w, T2w, FLAIR"):
        translator(adaptive)(volume(), network, seeds=[1], targets=["PDw"])
    with pytest.raises(ValueError, match="start is 'middle'; allowed: noise, target_like"):
        translator(adaptive, start="middle")
