"""The generator's workflows on tiny phantoms: 32x48x32 voxels of 5 mm, latents of 8x12x8."""

from __future__ import annotations

from pathlib import Path

import pytest
from brain_bundles.phantom import write_phantoms

from ..conftest import BundleRunner

BUNDLE = Path(__file__).parents[3] / "bundles" / "brain_mri_generator"
TINY = {"spacing": 5.0, "spatial_size": [32, 48, 32]}
TINY_NETWORKS = {
    "autoencoder_def::channels": [4, 8],
    "autoencoder_def::norm_num_groups": 4,
    "network_def::channels": [8, 8, 8],
    "network_def::num_head_channels": [0, 0, 8],
    "network_def::norm_num_groups": 4,
}


TINY_GENERATOR = {"generator_def::channels": [8, 8, 8, 8], "generator_def::code_size": 6}
FIRST_STAGE = ("train_autoencoder", "refine_decoder")
BASELINES = ("baseline_lsgan", "baseline_vaegan")


class Bundle(BundleRunner):
    root = BUNDLE
    variants = {  # noqa: RUF012
        "distil": ("train", "distil"),
        "fit_reader": ("train", "fit_reader"),
        "calibrate_reader": ("inference", "calibrate_reader"),
        "sample_latents": ("inference", "sample_latents"),
        "refine_decoder": ("train_autoencoder", "refine_decoder"),
        "few_steps_inference": ("inference", "few_steps"),
        "baseline_inference": ("inference", "baseline_inference"),
        "evaluated_baseline": ("inference", "evaluate", "baseline_inference"),
    }

    def overrides(self, name: str, output_dir: Path, **options: object) -> dict[str, object]:
        common = {
            "ckpt_dir": str(self.ckpt_dir),
            "output_dir": str(output_dir),
            "precision": "fp32",
            "device": "cpu",
        }
        if name in BASELINES:
            common |= {**TINY, **TINY_GENERATOR, "dataset_dir": str(self.dataset_dir)}
            common |= {"samples_per_epoch": 4, "max_epochs": 2, "val_interval": 1, "batch_size": 2}
            common |= {"preview_samples": 2, "discriminator_def::channels": 4, "discriminator_def::num_layers_d": 2}
            if name == "baseline_vaegan":
                common |= {"vaegan_def::channels": [8, 8, 8]}
            return {**common, **options}
        if name in ("baseline_inference", "evaluated_baseline"):
            return {**common, **TINY_GENERATOR, "num_samples": 3, **options}
        networks = {k: v for k, v in TINY_NETWORKS.items() if name not in FIRST_STAGE or k.startswith("autoencoder")}
        if name.startswith("train") or name in ("distil", "fit_reader", "refine_decoder"):
            common |= {"dataset_dir": str(self.dataset_dir), "samples_per_epoch": 4, "max_epochs": 2, "val_interval": 1}
            common |= {"batch_size": 2}
        if name in FIRST_STAGE:
            common |= {**TINY, "patch_size": [16, 16, 16], "num_val_subjects": 1, "adversarial_warmup_epochs": 1}
            common |= {"discriminator_def::channels": 4, "perceptual_network": "null"}  # its five levels need 32 voxels
        if name in ("train", "distil", "fit_reader"):
            common |= {"cache_dir": str(self.ckpt_dir / "cache"), "preview_samples": 1}
        if name in ("inference", "sample_latents"):
            common |= {"num_inference_steps": 3}
        return {**common, **networks, **options}


@pytest.fixture(scope="session")
def tiny_phantoms(tmp_path_factory):
    return write_phantoms(
        tmp_path_factory.mktemp("tiny") / "phantoms",
        num_subjects=8,
        val_fraction=0.2,
        test_fraction=0.3,
        num_workers=1,
        **TINY,
    )


@pytest.fixture(scope="session")
def trained(tiny_phantoms, tmp_path_factory):
    """A bundle whose two networks were trained for a few steps by its own configs."""
    folder = tmp_path_factory.mktemp("trained")
    bundle = Bundle(tiny_phantoms, folder / "models")
    bundle.run("train_autoencoder", folder / "autoencoder")
    bundle.run("train", folder / "diffusion")
    return bundle


@pytest.fixture(scope="session")
def velocity_trained(trained, tmp_path_factory):
    """The same with a diffusion of a discrete noise schedule, which predicts the velocity."""
    folder = tmp_path_factory.mktemp("velocity")
    bundle = trained.copy_to(folder / "models")
    bundle.run("train", folder / "diffusion", max_epochs=1, prediction_type="v_prediction")
    return bundle
