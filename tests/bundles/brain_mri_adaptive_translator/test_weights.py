"""The weights that ship, on phantoms with tumours that no training has seen: one of them in all twelve directions."""

from __future__ import annotations

import itertools
from statistics import mean

import pytest
import torch
from brain_bundles.data import contrast_datalist
from brain_bundles.evaluation import NetworkMethod
from brain_bundles.evaluation.contrast_switch import intensity_quantiles, nearest_contrast
from brain_bundles.metrics import IntensityRegression
from brain_bundles.metrics.translation import brain_mask, score_translation
from brain_bundles.phantom import write_phantoms
from monai.bundle import ConfigParser

from .conftest import BUNDLE


@pytest.fixture(scope="module")
def config() -> ConfigParser:
    parsed = ConfigParser()
    parsed.read_config([str(BUNDLE / "configs" / "inference.json"), str(BUNDLE / "configs" / "evaluate.json")])
    parsed["bundle_root"] = str(BUNDLE)
    parsed["device"] = "$torch.device('cpu')"
    return parsed


@pytest.fixture(scope="module")
def phantoms(config, tmp_path_factory) -> list[dict[str, torch.Tensor]]:
    """Eight phantoms with tumours: contrast -> (1, D, H, W)."""
    contrasts = config.get_parsed_content("contrasts")
    folder = write_phantoms(
        tmp_path_factory.mktemp("unseen"),
        num_subjects=8,
        suffixes=contrasts,
        tumour_probability=1.0,
        seed=1,
        num_workers=1,
    )
    prepare = config.get_parsed_content("evaluation::preprocessing")
    items = [prepare(item) for item in contrast_datalist(folder, contrasts)]
    return [{name: item[name].as_tensor() for name in contrasts} for item in items]


@pytest.fixture(scope="module")
def volumes(phantoms) -> dict[str, torch.Tensor]:
    return phantoms[0]


def translate(method: NetworkMethod, volumes, source: str) -> dict[tuple[str, str], torch.Tensor]:
    targets = [name for name in volumes if name != source]
    results = method(volumes[source][None], targets=targets, seeds=range(len(targets)))
    return {(source, target): result[0] for target, result in zip(targets, results, strict=True)}


@pytest.fixture(scope="module")
def with_diffusion(config) -> NetworkMethod:
    return NetworkMethod(config.get_parsed_content("inferer"), config.get_parsed_content("network"))


@pytest.fixture(scope="module")
def spade_alone(config) -> NetworkMethod:
    return NetworkMethod(config.get_parsed_content("spade_alone"), config.get_parsed_content("network"))


@pytest.fixture(scope="module")
def predictions(with_diffusion, volumes) -> dict[tuple[str, str], torch.Tensor]:
    return {pair: made for source in volumes for pair, made in translate(with_diffusion, volumes, source).items()}


def psnr(volumes, source: str, target: str, prediction: torch.Tensor) -> float:
    mask = brain_mask(volumes[source][0], volumes[target][0])
    return score_translation(prediction, volumes[target][0], mask, ms_ssim_kernel_size=None).psnr


def test_all_directions_together_are_3_db_above_an_intensity_regression(phantoms, volumes, predictions):
    regressions = {}
    for other in phantoms[1:]:
        for source, target in predictions:
            first, second = other[source][0], other[target][0]
            regressions.setdefault((source, target), IntensityRegression()).update(
                first, second, brain_mask(first, second)
            )
    ours, regression = [], []
    for (source, target), prediction in predictions.items():
        ours.append(psnr(volumes, source, target, prediction))
        first = volumes[source][0]
        predicted = regressions[source, target].predict(first, brain_mask(first, volumes[target][0]))
        regression.append(psnr(volumes, source, target, predicted))
    assert mean(ours) > mean(regression) + 3


@pytest.mark.long
def test_the_diffusion_is_not_below_ms_spade(with_diffusion, spade_alone, phantoms):
    """On the mean: between phantoms the gain varies by as much as its mean, 0.4 dB (docs/reference/results/)."""
    gains = []
    for volumes, source in zip(phantoms, itertools.cycle(phantoms[0])):  # all sources in turn
        ours, alone = (translate(method, volumes, source) for method in (with_diffusion, spade_alone))
        gains += [psnr(volumes, *pair, ours[pair]) - psnr(volumes, *pair, alone[pair]) for pair in ours]
    assert len(gains) == 24
    assert mean(gains) > 0


@pytest.mark.long
@pytest.mark.xfail(strict=True, reason="a mean gain is not one of every subject: this phantom loses 0.35 dB")
def test_the_first_phantom_does_not_lose_by_the_diffusion(spade_alone, volumes, predictions):
    alone = {pair: made for source in volumes for pair, made in translate(spade_alone, volumes, source).items()}
    ours, spade = (mean(psnr(volumes, *pair, made[pair]) for pair in predictions) for made in (predictions, alone))
    assert ours > spade


def test_every_translation_is_nearer_to_its_target_than_its_source_is(volumes, predictions):
    for (source, target), prediction in predictions.items():
        mask = brain_mask(volumes[source][0], volumes[target][0])
        ours, copy = (
            score_translation(volume, volumes[target][0], mask, ms_ssim_kernel_size=None)
            for volume in (prediction, volumes[source][0])
        )
        assert ours.psnr > copy.psnr, (source, target)
        assert ours.ssim > 0.8, (source, target)


def test_the_target_is_switched(volumes, predictions):
    """The mean prediction of a target, over all sources, is nearest to the target's intensities."""
    brain = torch.stack([volume[0] > 0 for volume in volumes.values()]).any(0)
    true = {name: intensity_quantiles(volume[0], brain) for name, volume in volumes.items()}
    for target in volumes:
        made = [intensity_quantiles(one, brain) for (_, name), one in predictions.items() if name == target]
        assert nearest_contrast(torch.stack(made).mean(0), true) == target
