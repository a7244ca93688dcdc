"""The four bundles at tiny sizes, with random weights that no layer hides."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import brain_bundles
import pytest
import torch
from brain_bundles.bundle import Bundle
from brain_bundles.export import export_bundle
from brain_bundles.utils import save_network

from ..bundles.brain_mri_adaptive_translator import conftest as adaptive
from ..bundles.brain_mri_generator import conftest as generator
from ..bundles.brain_mri_slice2volume_translator import conftest as slices

BUNDLES = Path(__file__).parents[2] / "bundles"
SEGMENTER = {"spacing": 5.0, "spatial_size": [48, 48, 48]}
SEGMENTER |= {"network_def::channels": [4, 8, 16], "network_def::strides": [2, 2]}
# The numbers of steps are those of the configs, but for the generator's 15.
BOUNDS = {"age": [40.0, 86.0], "ventricular_volume": [5.0, 105.0], "brain_volume": [850.0, 1550.0]}
TINY: dict[str, dict[str, Any]] = {
    "brain_mri_generator": {**generator.TINY, **generator.TINY_NETWORKS, "num_inference_steps": 3, "bounds": BOUNDS},
    "brain_mri_slice2volume_translator": {**slices.TINY, **slices.TINY_AUTOENCODER, **slices.TINY_UNET},
    "brain_mri_adaptive_translator": {**adaptive.TINY, **adaptive.TINY_AUTOENCODER, **adaptive.TINY_UNET},
    "brain_mri_segmenter": SEGMENTER,
}


def fill(network: torch.nn.Module) -> torch.nn.Module:
    """Random weights, also where a network begins with zeros; images of a decoder lie in the middle of their range."""
    generator = torch.Generator().manual_seed(0)
    for parameter in network.parameters():
        scale = parameter[0].numel() ** -0.5 if parameter.ndim > 1 else 0.1
        parameter.data = torch.randn(parameter.shape, generator=generator) * scale
        if parameter.shape == (1,):
            parameter.data.fill_(0.5)
    for name, buffer in network.named_buffers():
        if name.endswith("std"):
            buffer.copy_(0.5 + torch.rand(buffer.shape, generator=generator))
    return network


def load_file(path: Path) -> Callable[[dict[str, torch.Tensor]], torch.Tensor]:
    """An exported file as a function of its inputs by name, by onnxruntime or torch alone."""
    if path.suffix == ".onnx":
        session = pytest.importorskip("onnxruntime").InferenceSession(path, providers=["CPUExecutionProvider"])

        def run(inputs: dict[str, torch.Tensor]) -> torch.Tensor:
            return torch.from_numpy(session.run(None, {name: value.numpy() for name, value in inputs.items()})[0])

        return run
    loaded = torch.jit.load(path)

    def call(inputs: dict[str, torch.Tensor]) -> torch.Tensor:
        found = loaded(*inputs.values())
        assert not found.requires_grad  # in any mode, no graph is kept
        return found

    return call


@pytest.fixture(scope="session")
def weights(tmp_path_factory) -> dict[str, Path]:
    """Name of a bundle -> folder with its random weights."""
    folders = {}
    for name, options in TINY.items():
        importlib.import_module(name)
        folder = folders[name] = tmp_path_factory.mktemp(name)
        none = {"weights_recipe": {}, "device": torch.device("cpu")}
        bundle = brain_bundles.load(BUNDLES / name, **none, **options)
        names = {"autoencoder": "autoencoder.pt", "network": "model.pt"}
        for key, file in names.items():
            if key in bundle.keys:
                # The recipe of the diffusion names its autoencoder, whose file is there by now.
                (network,) = bundle.content(f"{key}::network", ckpt_dir=str(folder))
                save_network(fill(network), folder / file)
    return folders


@pytest.fixture(scope="session")
def tiny(weights) -> Callable[..., Bundle]:
    """Load a tiny bundle by its name, with further options."""

    def load(name: str, **options: Any) -> Bundle:
        return brain_bundles.load(BUNDLES / name, **{**TINY[name], "ckpt_dir": str(weights[name]), **options})

    return load


@pytest.fixture(scope="session")
def exported(tiny, tmp_path_factory) -> Callable[[str, str], tuple[Path, dict[str, Any]]]:
    """File and description of a tiny bundle, by its name and the file's ending; each is exported once."""
    folder = tmp_path_factory.mktemp("exported")
    done: dict[Path, dict[str, Any]] = {}

    def export(name: str, ending: str) -> tuple[Path, dict[str, Any]]:
        path = folder / f"{name}.{ending}"
        if path not in done:
            done[path] = export_bundle(tiny(name), path)
        return path, done[path]

    return export
