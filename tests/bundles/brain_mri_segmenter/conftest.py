"""The segmenter's workflows on a tiny grid: 48x48x48 voxels of 5 mm, people of label maps that are made here."""

from __future__ import annotations

from pathlib import Path

import pytest

from ...phantom.conftest import small_head, write_map
from ..conftest import BundleRunner

BUNDLE = Path(__file__).parents[3] / "bundles" / "brain_mri_segmenter"
TINY = {"spacing": 5.0, "spatial_size": [48, 48, 48]}


class Bundle(BundleRunner):
    """``dataset_dir`` is the folder of label maps."""

    root = BUNDLE

    def overrides(self, name: str, output_dir: Path, **options: object) -> dict[str, object]:
        common: dict[str, object] = {
            "ckpt_dir": str(self.ckpt_dir),
            "output_dir": str(output_dir),
            "precision": "fp32",
            "device": "cpu",
            "network_def::channels": [4, 8, 16],
            "network_def::strides": [2, 2],
        }
        if name == "train":
            common |= {**TINY, "anatomies": str(self.dataset_dir), "cache_dir": str(self.ckpt_dir / "cache")}
            common |= {"num_held_out": 2, "samples_per_epoch": 4, "max_epochs": 2, "val_interval": 1}
            common |= {"preview_images": 1, "dataset_dir::num_subjects": 6, "dataset_dir::scans_per_person": 1}
        return {**common, **options}


@pytest.fixture(scope="session")
def maps(tmp_path_factory) -> Path:
    """Label maps of which one each is for training, validation and test, by their names."""
    folder = tmp_path_factory.mktemp("maps")
    for name in ("training_seg_01", "training_seg_03", "training_seg_05"):
        write_map(folder / f"{name}.nii.gz", small_head())
    return folder


@pytest.fixture(scope="session")
def trained(maps, tmp_path_factory) -> Bundle:
    """A bundle that was trained for a few steps by its own config."""
    folder = tmp_path_factory.mktemp("trained")
    bundle = Bundle(maps, folder / "models")
    bundle.run("train", folder / "train")
    return bundle
