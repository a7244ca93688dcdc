"""The translator's workflows on tiny phantoms: 32x48x32 voxels of 5 mm, latents of 8x12 for each of 32 slices."""

from __future__ import annotations

from pathlib import Path

import pytest
from brain_bundles.phantom import write_phantoms

from ..conftest import BundleRunner

BUNDLE = Path(__file__).parents[3] / "bundles" / "brain_mri_slice2volume_translator"
TINY = {"spacing": 5.0, "spatial_size": [32, 48, 32]}
TINY_AUTOENCODER = {"autoencoder_def::channels": [8, 8, 8], "autoencoder_def::norm_num_groups": 4}
TINY_UNET = {
    "slice_network_def::channels": [8, 8, 8],
    "slice_network_def::num_head_channels": [8, 8, 8],
    "slice_network_def::norm_num_groups": 4,
}
TINY_BASELINES = {
    "baseline_pix2pix": {"network_def::channels": [4, 4, 4, 4], "discriminator_def::channels": 4},
    "baseline_cyclegan": {
        "network_def::channels": [4, 4, 4, 4],
        "discriminator_def::target::channels": 4,
        "discriminator_def::source::channels": 4,
        "pool_size": 2,
        "preview_samples": 1,
    },
    "baseline_unet": {"network_def::channels": [4, 4, 4, 4], "preview_samples": 1},
    "baseline_palette": {
        "palette_def::channels": [4, 4, 4, 4],
        "palette_def::num_head_channels": [0, 0, 0, 4],
        "palette_def::norm_num_groups": 2,
        "num_inference_steps": 2,
        "preview_samples": 1,
    },
}
STAGES = ("train_autoencoder", "train_slices", "train")


class Bundle(BundleRunner):
    root = BUNDLE
    variants = {  # noqa: RUF012
        "train_slices": ("train", "train_slices"),
        "baseline_palette": ("baseline_unet", "baseline_palette"),
    }

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
            common |= TINY  # the other stages take the grid from the weights
        common |= TINY_BASELINES.get(name, {}) if baseline else TINY_AUTOENCODER
        if name != "inference":
            common |= {"samples_per_epoch": 4, "max_epochs": 2, "val_interval": 1, "batch_size": 2}
        if name == "train_autoencoder":
            common |= {"discriminator_def::channels": 4, "num_val_subjects": 1, "adversarial_warmup_epochs": 1}
        if name in ("train_slices", "train"):
            common |= {"cache_dir": str(self.ckpt_dir / "cache"), "preview_samples": 1, **TINY_UNET}
        if name == "inference":
            common |= {"num_inference_steps": 2, **TINY_UNET}
            if "input" in options:
                del common["dataset_dir"]
        return {**common, **options}


@pytest.fixture(scope="session")
def tiny_pairs(tmp_path_factory):
    return write_phantoms(
        tmp_path_factory.mktemp("pairs") / "phantoms",
        num_subjects=8,
        suffixes=("T1w", "T2w"),
        val_fraction=0.2,
        test_fraction=0.3,
        num_workers=1,
        **TINY,
    )


@pytest.fixture(scope="session")
def trained(tiny_pairs, tmp_path_factory):
    """A bundle whose three stages were trained for a few steps by its own configs."""
    folder = tmp_path_factory.mktemp("trained")
    bundle = Bundle(tiny_pairs, folder / "models")
    for stage in STAGES:
        bundle.run(stage, folder / stage)
    return bundle
