"""The translator's workflows on tiny phantoms with three contrasts: 32x48x32 voxels of 5 mm, latents of 8x12x8."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from brain_bundles.phantom import write_phantoms
from brain_mri_adaptive_translator import MSSPADE, AdaptiveAutoencoder, TargetDiffusionUNet

from ..conftest import BundleRunner

BUNDLE = Path(__file__).parents[3] / "bundles" / "brain_mri_adaptive_translator"
CONTRASTS = ["T1w", "T2w", "FLAIR"]
TINY = {"spacing": 5.0, "spatial_size": [32, 48, 32]}
TINY_AUTOENCODER = {
    "vq_def::channels": [4, 4, 8],
    "vq_def::norm_num_groups": 2,
    "vq_def::num_embeddings": 16,
    "ms_spade_def::channels": [8],
    "ms_spade_def::middle_channels": 8,
    "ms_spade_def::hidden_channels": 4,
}
TINY_UNET = {
    "network_def::channels": [8, 8, 8],
    "network_def::num_head_channels": [0, 0, 8],
    "network_def::norm_num_groups": 4,
}
TINY_PIX2PIX = {"channels": [4, 8, 8], "strides": [2, 2]}
TINY_BASELINES = {
    "baseline_pix2pix": {**{f"pix2pix_def::{k}": v for k, v in TINY_PIX2PIX.items()}, "discriminator_def::channels": 4},
    "baseline_cyclegan": {
        **{f"cyclegan_def::{key}": value for key, value in TINY_PIX2PIX.items()},
        "discriminator_def::target::channels": 4,
        "discriminator_def::source::channels": 4,
        "pool_size": 2,
        "preview_samples": 1,
    },
    "baseline_unet": {f"unet_def::network::{key}": value for key, value in TINY_PIX2PIX.items()},
}
STAGES = ("train_autoencoder", "train_spade", "train")


class Bundle(BundleRunner):
    root = BUNDLE

    def overrides(self, name: str, output_dir: Path, **options: object) -> dict[str, object]:
        common: dict[str, object] = {
            "dataset_dir": str(self.dataset_dir),
            "ckpt_dir": str(self.ckpt_dir),
            "output_dir": str(output_dir),
            "precision": "fp32",
            "device": "cpu",
        }
        baseline = name.startswith("baseline_")
        if name == "train_autoencoder" or baseline:
            common |= {"contrasts": CONTRASTS, **TINY}  # the other stages take them from the weights
        common |= TINY_BASELINES.get(name, {}) if baseline else TINY_AUTOENCODER
        if name != "inference":
            common |= {"samples_per_epoch": 4, "max_epochs": 2, "val_interval": 1, "batch_size": 2}
        if name == "train_autoencoder":
            common |= {"discriminator_def::channels": 4, "num_val_subjects": 1, "adversarial_warmup_epochs": 1}
            common |= {"patch_size": [16, 16, 16]}
        if name in ("train_spade", "train"):
            common |= {"cache_dir": str(self.ckpt_dir / "cache")}
        if name in ("train", "inference"):
            common |= TINY_UNET
        if name == "inference":
            common |= {"num_inference_steps": 2}
            if "input" in options:
                del common["dataset_dir"]
        return {**common, **options}


@pytest.fixture(scope="session")
def tiny_contrasts(tmp_path_factory):
    """Eight subjects with three contrasts, one of the training set without FLAIR."""
    folder = write_phantoms(
        tmp_path_factory.mktemp("contrasts") / "phantoms",
        num_subjects=8,
        suffixes=CONTRASTS,
        val_fraction=0.2,
        test_fraction=0.3,
        num_workers=1,
        **TINY,
    )
    (folder / "sub-0001" / "anat" / "sub-0001_FLAIR.nii.gz").unlink()
    return folder


@pytest.fixture(scope="session")
def trained(tiny_contrasts, tmp_path_factory):
    """A bundle whose stages were trained for a few steps by its own configs."""
    folder = tmp_path_factory.mktemp("trained")
    bundle = Bundle(tiny_contrasts, folder / "models")
    for stage in STAGES:
        bundle.run(stage, folder / stage)
    return bundle


@pytest.fixture
def adaptive(make_vq_autoencoder) -> AdaptiveAutoencoder:
    return AdaptiveAutoencoder(make_vq_autoencoder(), MSSPADE(3, 2, channels=(4,), hidden_channels=4), CONTRASTS)


@pytest.fixture
def make_network() -> Callable[..., TargetDiffusionUNet]:
    """A tiny network for latents of 2 channels and 3 contrasts, whose output depends on all of its inputs."""

    def make(**options: object) -> TargetDiffusionUNet:
        torch.manual_seed(0)
        network = TargetDiffusionUNet(
            3,
            2,
            3,
            channels=(4, 8),
            num_res_blocks=(1, 1),
            attention_levels=(False, True),
            num_head_channels=(0, 4),
            norm_num_groups=2,
            **options,
        )
        for parameter in network.parameters():  # MONAI's last convolution and attention start at zero
            torch.nn.init.normal_(parameter, std=0.1)
        return network.eval()

    return make


@pytest.fixture
def network(make_network) -> TargetDiffusionUNet:
    return make_network()
