"""A set of tiny brains: blobs in place of what a network makes, and all else as it is."""

from __future__ import annotations

from pathlib import Path

import brain_bundles
import numpy as np
import pytest
import torch
from brain_bundles.data import write_nifti
from brain_bundles.data.bids import source_uri
from brain_bundles.data.read_image import read_values
from brain_bundles.metrics.brain_volumes import BrainVolumes
from brain_bundles.runs import RunOutput, make_condition_table, translation_inputs
from brain_bundles.runs.run_output import image_rows
from brain_bundles.runs.segmentation_tables import sidecar_path
from brain_bundles.synthesis import Models, quality
from brain_bundles.synthesis.models import FIXED
from brain_bundles.utils import generator_for, write_json

BUNDLES = Path(__file__).parents[2] / "bundles"
SIZE = (16, 20, 16)


class TinyModels(Models):
    """Blobs of 16x20x16 voxels that depend on the seed of a row.

    Attributes:
        made: names of the images that were written here.
    """

    def __init__(self, *targets: str, weights: str = "0" * 64, **fixed: object) -> None:
        self.generator = brain_bundles.load(BUNDLES / "brain_mri_generator")
        self.suffix, self.targets, self.spatial_size = "T1w", list(targets), SIZE
        self.translator, self.segmenter = None, None
        self.settings = {self.generator.name: {"network": weights, FIXED: fixed}}
        self.made: list[str] = []

    def write(self, path: Path, volume: torch.Tensor, affine: np.ndarray, **about: object) -> None:
        """The sidecar first, as the savers do: an image that is there has one."""
        write_json(sidecar_path(path), {"Description": "a blob", **about})
        write_nifti(path, volume.numpy(), affine)
        self.made.append(path.name)

    def generate(self, dataset: Path, *, first: int, number: int, seed: int) -> RunOutput:
        rows = make_condition_table(num_samples=number, first_sample=first, seed=seed)
        output = RunOutput(dataset, rows, settings={"seed": seed}, spacing=8.0, spatial_size=SIZE)
        axes = torch.meshgrid(*(torch.linspace(-1.2, 1.2, n) for n in SIZE), indexing="ij")
        inside = sum(axis**2 for axis in axes) < 1
        for item in output.pending():
            noise = torch.rand(SIZE, generator=generator_for(item["seed"], "noise"))
            self.write(output.path(item), (0.3 + 0.6 * noise) * inside, output.affine)
        output.finish()
        return output

    def translate(self, dataset: Path, output_dir: Path, *, seed: int) -> RunOutput | None:
        if not self.targets:
            return None
        inputs = translation_inputs(dataset, source="T1w", target=self.targets, seed=seed)
        output = RunOutput(output_dir, inputs.items, settings={"seed": seed}, source_dir=dataset)
        for item in output.pending():
            image = read_values(item["image"])
            volume = torch.from_numpy(np.where(image.voxels > 0, 1 - image.voxels, 0))
            for row in image_rows(item):
                uri = source_uri(item["image"], dataset)
                self.write(output.path(row), volume, image.affine, Sources=[uri], Seed=row["seed"])
        output.finish()
        return output


@pytest.fixture
def quick_measure(monkeypatch) -> None:
    """The measurement of a blob, which has no ventricles, takes a second and fails."""
    monkeypatch.setattr(quality, "measure_file", lambda path, **_: BrainVolumes(20.0, 1100.0))


def contents(folder: Path) -> dict[str, bytes]:
    """Files of a set but for its notes on times, and what a killed process has left beside the shards for an hour."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != "run.json")
    paths = (path for path in files if not (path.parent == folder and path.suffix == ".tmp"))
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}
