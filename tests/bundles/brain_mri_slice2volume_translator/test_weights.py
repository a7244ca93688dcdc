"""The weights that ship, on a phantom that no training has seen."""

from __future__ import annotations

import pytest
import torch
from brain_bundles.data import contrast_datalist
from brain_bundles.inferers import SliceWindows
from brain_bundles.metrics.translation import brain_mask, score_translation
from brain_bundles.phantom import write_phantoms
from brain_bundles.transforms import ContrastPreprocessing
from monai.bundle import ConfigParser

from .conftest import BUNDLE

WINDOW = 32


@pytest.fixture(scope="module")
def volumes(tmp_path_factory) -> dict[str, torch.Tensor]:
    """A phantom of the template, whose anatomy and scanner are not those of the training: contrast -> (1, D, H, W)."""
    contrasts = ["T1w", "T2w", "FLAIR"]
    folder = write_phantoms(
        tmp_path_factory.mktemp("unseen"), num_subjects=1, suffixes=contrasts, seed=1, num_workers=1
    )
    read = ContrastPreprocessing(contrasts, spacing=2.0, spatial_size=(80, 96, 80))
    item = read(contrast_datalist(folder, contrasts)[0])
    return {name: item[name].as_tensor() for name in contrasts}


def parse(*overlays: str) -> ConfigParser:
    parsed = ConfigParser()
    parsed.read_config([str(BUNDLE / "configs" / name) for name in ("inference.json", *overlays)])
    parsed["bundle_root"] = str(BUNDLE)
    parsed["device"] = "$torch.device('cpu')"
    return parsed


@pytest.fixture(scope="module")
def config() -> ConfigParser:
    return parse()


def translate(config: ConfigParser, source: torch.Tensor, slices_per_window: int | None = None) -> torch.Tensor:
    inferer = config.get_parsed_content("inferer")
    inferer.windows = SliceWindows(slices_per_window)
    return inferer(source[None], config.get_parsed_content("network").eval(), seeds=[1])[0, 0]


def test_a_translation_is_far_nearer_to_the_target_than_its_source(config, volumes):
    """24.4 dB, where the copy has 12.3."""
    source, target = volumes["T1w"], volumes["T2w"]
    mask = brain_mask(source[0], target[0])
    scores = score_translation(translate(config, source), target[0], mask)
    assert scores.psnr > 21
    assert scores.ssim > 0.85


def test_flair_has_weights_of_its_own(volumes):
    """26.1 dB, where the copy has 21.7."""
    config = parse("flair.json")
    assert [config.get_parsed_content(name) for name in ("source", "target")] == ["T1w", "FLAIR"]
    source, target = volumes["T1w"], volumes["FLAIR"]
    mask = brain_mask(source[0], target[0])
    scores = score_translation(translate(config, source), target[0], mask)
    assert scores.psnr > score_translation(source[0], target[0], mask).psnr + 3
    assert scores.ssim > 0.78


def test_windows_leave_no_seams(config, volumes):
    """The error of the steps between slices is no larger where windows begin or end than elsewhere in the brain."""
    source, target = volumes["T1w"], volumes["T2w"]
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
