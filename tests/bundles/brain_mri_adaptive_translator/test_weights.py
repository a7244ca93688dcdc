"""The weights that ship, on a phantom with a tumour that no training has seen, in all twelve directions."""

from __future__ import annotations

import pytest
import torch
from brain_bundles.data import contrast_datalist
from brain_bundles.data.phantom import write_phantoms
from brain_bundles.metrics.translation import brain_mask, score_translation
from brain_mri_adaptive_translator import Translation
from brain_mri_adaptive_translator.contrast_switch import intensity_quantiles, nearest_contrast
from monai.bundle import ConfigParser

from .conftest import BUNDLE

pytestmark = pytest.mark.skipif(
    not (BUNDLE / "models" / "model.pt").exists(), reason="no trained model of the adaptive translator ships yet"
)


@pytest.fixture(scope="module")
def config() -> ConfigParser:
    parsed = ConfigParser()
    parsed.read_config([str(BUNDLE / "configs" / "inference.json"), str(BUNDLE / "configs" / "evaluate.json")])
    parsed["bundle_root"] = str(BUNDLE)
    parsed["device"] = "$torch.device('cpu')"
    return parsed


@pytest.fixture(scope="module")
def volumes(config, tmp_path_factory) -> dict[str, torch.Tensor]:
    """(1, D, H, W) by contrast."""
    contrasts = config.get_parsed_content("contrasts")
    folder = write_phantoms(
        tmp_path_factory.mktemp("unseen"),
        num_subjects=1,
        suffixes=contrasts,
        tumour_probability=1.0,
        seed=1,
        num_workers=1,
    )
    item = config.get_parsed_content("evaluation::preprocessing")(contrast_datalist(folder, contrasts)[0])
    return {name: item[name].as_tensor() for name in contrasts}


@pytest.fixture(scope="module")
def predictions(config, volumes) -> dict[tuple[str, str], torch.Tensor]:
    translate = Translation(config.get_parsed_content("inferer"), config.get_parsed_content("network"))
    made = {}
    for source, volume in volumes.items():
        targets = [name for name in volumes if name != source]
        results = translate(volume[None], targets=targets, seeds=range(len(targets)))
        made |= {(source, target): result[0] for target, result in zip(targets, results, strict=True)}
    return made


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
    """The mean of the predictions of a target, over all sources, has the target's intensities and no other's."""
    brain = torch.stack([volume[0] > 0 for volume in volumes.values()]).any(0)
    true = {name: intensity_quantiles(volume[0], brain) for name, volume in volumes.items()}
    for target in volumes:
        made = [intensity_quantiles(one, brain) for (_, name), one in predictions.items() if name == target]
        assert nearest_contrast(torch.stack(made).mean(0), true) == target
