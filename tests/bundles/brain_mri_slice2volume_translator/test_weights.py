"""The weights that ship, on a phantom that no training has seen."""

from __future__ import annotations

import pytest
import torch
from brain_bundles.data import paired_datalist
from brain_bundles.inferers import SliceWindows
from brain_bundles.metrics.translation import brain_mask, score_translation
from brain_bundles.phantom import write_phantoms
from brain_bundles.transforms import image_preprocessing
from monai.bundle import ConfigParser

from .conftest import BUNDLE

WINDOW = 32


@pytest.fixture(scope="module")
def pair(tmp_path_factory) -> tuple[torch.Tensor, torch.Tensor]:
    folder = write_phantoms(
        tmp_path_factory.mktemp("unseen"), num_subjects=1, suffixes=("T1w", "T2w"), seed=1, num_workers=1
    )
    preprocessing = image_preprocessing(
        ["image", "label"], spacing=2.0, spatial_size=(80, 96, 80), intensity_scale="percentiles"
    )
    item = preprocessing(paired_datalist(folder, "T1w", "T2w")[0])
    return item["image"].as_tensor(), item["label"].as_tensor()


@pytest.fixture(scope="module")
def config() -> ConfigParser:
    parsed = ConfigParser()
    parsed.read_config(str(BUNDLE / "configs" / "inference.json"))
    parsed["bundle_root"] = str(BUNDLE)
    parsed["device"] = "$torch.device('cpu')"
    return parsed


def translate(config: ConfigParser, source: torch.Tensor, slices_per_window: int | None = None) -> torch.Tensor:
    inferer = config.get_parsed_content("inferer")
    inferer.windows = SliceWindows(slices_per_window)
    return inferer(source[None], config.get_parsed_content("network").eval(), seeds=[1])[0, 0]


def test_a_translation_is_far_nearer_to_the_target_than_its_source(config, pair):
    source, target = pair
    mask = brain_mask(source[0], target[0])
    scores = score_translation(translate(config, source), target[0], mask)
    assert scores.psnr > 21
    assert scores.ssim > 0.85


def test_windows_leave_no_seams(config, pair):
    """The error of the steps between slices is no larger where windows begin or end than elsewhere in the brain."""
    source, target = pair
    prediction = translate(config, source, WINDOW)
    inside = brain_mask(source[0], target[0])
    pairs = inside[:, :, 1:] & inside[:, :, :-1]
    jumps = ((prediction - target[0]).diff(dim=2).abs() * pairs).sum((0, 1)) / pairs.sum((0, 1)).clamp(min=1)
    enough = pairs.sum((0, 1)) > 500
    # Windows begin every half window; the step from slice 15 to slice 16 has the index 15.
    at_edges = torch.tensor([index + 1 in (16, 32, 48, 64) for index in range(79)])
    assert int((at_edges & enough).sum()) >= 2
    elsewhere = jumps[~at_edges & enough]
    assert jumps[at_edges & enough].mean() < elsewhere.mean() + 2 * elsewhere.std()
    assert jumps[at_edges & enough].max() < elsewhere.max()
