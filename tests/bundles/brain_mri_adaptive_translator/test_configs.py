"""Properties of the config files, checked without running a workflow."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch
from monai.bundle import ConfigParser

from .conftest import BUNDLE

STAGES = ("train_autoencoder", "train_spade", "train", "inference")


def load(name: str) -> dict[str, Any]:
    return json.loads((BUNDLE / "configs" / f"{name}.json").read_text())


@pytest.mark.parametrize("stage", STAGES)
def test_the_paper_overlay_has_the_published_sizes(stage):
    """A codebook of 8192, latents of 36x48x36x4 for 144x192x144, attention at down-sampling 2 and 4."""
    config = ConfigParser()
    config.read_config([str(BUNDLE / "configs" / f"{name}.json") for name in (stage, "paper")])
    with torch.device("meta"):
        vq = config.get_parsed_content("vq_def").eval()
        assert vq.quantiser.num_embeddings == 8192
        mean, _ = vq.raw_moments(torch.empty(1, 1, 144, 192, 144))
        assert mean.shape == (1, 4, 36, 48, 36)
        if stage in ("train", "inference"):
            network = config.get_parsed_content("network_def").eval()
            levels = [
                any("attentions" in name for name, _ in block.named_modules()) for block in network.unet.down_blocks
            ]
            assert levels == [False, True, True]
            assert config["network_def"]["channels"] == [128, 128, 256]
            assert [config[key] for key in ("beta_start", "beta_end")] == [0.0015, 0.0195]
            assert not network.use_source
            x = torch.empty(1, 3 * 4 + 5, 36, 48, 36)
            assert network(x, torch.empty(1)).shape == mean.shape


def test_a_contrast_more_is_config_only():
    config = ConfigParser()
    config.read_config(str(BUNDLE / "configs" / "inference.json"))
    config["contrasts"] = ["T1w", "T2w", "PDw"]
    assert config.get_parsed_content("autoencoder_def").ms_spade.num_contrasts == 3
    assert config.get_parsed_content("network_def").num_contrasts == 3
