"""How tests are shared among workers, and fixtures that more than one sub-package's tests need."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

# A worker and the processes that its tests start take one thread each: bits depend on it. Torch reads it at its import.
os.environ["OMP_NUM_THREADS"] = "1"

import pytest
import torch

torch.set_num_threads(1)

# The longest come first, the short ones last, so that all workers end together. A module stays on one worker
# (--dist loadscope). Neighbours here are of different bundles: two of one bundle at once would both train its networks.
LONGEST_FIRST = (
    "bundles/brain_mri_generator/test_training.py",
    "bundles/brain_mri_adaptive_translator/test_training.py",
    "zoo/test_download.py",
    "bundles/brain_mri_generator/test_inference.py",
    "bundles/brain_mri_adaptive_translator/test_weights.py",
    "bundles/brain_mri_slice2volume_translator/test_inference.py",
    "bundle_verify/test_verify.py",
    "utils/test_distributed.py",
    "real/test_adaptive_translation.py",
    "metrics/test_brain_volumes.py",
    "data/test_read_image.py",
    "data/test_header_zoo.py",
    "phantom/test_anatomy.py",
    "phantom/test_writer.py",
    "faults/test_kill.py",
    "bundles/brain_mri_adaptive_translator/test_inference.py",
    "bundles/brain_mri_slice2volume_translator/test_training.py",
    "bundles/brain_mri_segmenter/test_training.py",
    "bundles/brain_mri_segmenter/test_inference.py",
    "bundles/brain_mri_generator/test_evaluation.py",
    "bundles/brain_mri_adaptive_translator/test_evaluation.py",
    "real/test_real_volumes.py",
    "bundles/test_every_bundle.py",
    "handlers/test_checkpoint.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    rank = {name: number for number, name in enumerate(LONGEST_FIRST)}
    tests = Path(__file__).parent
    items.sort(key=lambda item: rank.get(item.path.relative_to(tests).as_posix(), len(rank)))


class RealData(type(Path())):  # type: ignore[misc]
    """The folder of real scans. A test that reaches for a part of it (population, t1_flair ...) that is not there is
    skipped; a file that such a part lacks is a failure.
    """

    def __truediv__(self, key: str) -> Path:
        part = Path(self, Path(key).parts[0])
        if not part.is_dir():
            pytest.skip(f"no real scans in {part}; set BRAIN_BUNDLES_REAL_DATA to a folder that has them")
        return Path(self, key)


@pytest.fixture(scope="session")
def real_data_dir() -> Path:
    """The folder of real scans; tests that need a part of it that is missing are skipped."""
    return RealData(os.environ.get("BRAIN_BUNDLES_REAL_DATA") or Path(__file__).parents[2] / "shared" / "real")


@pytest.fixture(scope="session")
def bids_errors() -> Callable[..., list[str]]:
    """What the BIDS validator finds wrong with a folder; warnings, such as of scanner details, do not count.

    Further arguments are options of the validator, such as --recursive for the data sets in derivatives/.
    """
    command = Path(sys.executable).with_name("bids-validator-deno")
    if not command.exists():
        pytest.skip("bids-validator-deno is not installed (test extra)")

    def errors(report: dict[str, Any], where: str) -> list[str]:
        found = [
            f"{issue['code']} {where}{issue.get('location')}"
            for issue in report["issues"]["issues"]
            if issue["severity"] == "error"
        ]
        for name, nested in (report.get("derivativesSummary") or {}).items():
            found += errors(nested, name)
        return found

    def validate(folder: Path, *options: str) -> list[str]:
        result = subprocess.run([command, "--json", *options, folder], capture_output=True, text=True, timeout=120)
        return errors(json.loads(result.stdout), "")

    return validate


# Of an autoencoder that trains and samples in no time; 8 x 8 x 8 voxels are enough for it.
SMALL = {
    "channels": (4, 8),
    "attention_levels": (False, False),
    "num_res_blocks": (1, 1),
    "latent_channels": 2,
    "norm_num_groups": 2,
    "with_encoder_nonlocal_attn": False,
    "with_decoder_nonlocal_attn": False,
}


@pytest.fixture(scope="session")
def make_autoencoder() -> Callable[..., Any]:
    """A factory of small autoencoders of the KL kind; one seed gives the same weights each time."""

    from brain_bundles.networks import LatentAutoencoderKL  # here: the coverage of workers begins after this file

    def make(spatial_dims: int = 3, *, seed: int = 0, **options: Any) -> LatentAutoencoderKL:
        torch.manual_seed(seed)
        return LatentAutoencoderKL(spatial_dims=spatial_dims, **{**SMALL, **options})

    return make


@pytest.fixture(scope="session")
def make_vq_autoencoder() -> Callable[..., Any]:
    """A factory of small vector-quantised autoencoders, with the same weights each time."""

    from brain_bundles.networks import LatentVQAutoencoder

    def make(spatial_dims: int = 3, num_embeddings: int = 8, **options: Any) -> LatentVQAutoencoder:
        torch.manual_seed(0)
        return LatentVQAutoencoder(spatial_dims=spatial_dims, num_embeddings=num_embeddings, **{**SMALL, **options})

    return make
