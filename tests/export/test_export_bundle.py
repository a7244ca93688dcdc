"""An exported file gives what the config's inference gives, in both forms, for all bundles; and what is refused."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from brain_bundles.data import class_names
from brain_bundles.export import export_bundle
from brain_bundles.export.export_bundle import FIXED
from brain_bundles.inferers import SegmentationInferer, random_image
from brain_bundles.utils import generator_for, hash_file
from monai.data import load_net_with_metadata

from .conftest import TINY, load_file

GENERATOR, SLICES, ADAPTIVE, SEGMENTER = TINY
SEED = 7


def reference(bundle: Any, image: torch.Tensor, context: torch.Tensor, target: str) -> torch.Tensor:
    """Output of the config's inferer, as its evaluator calls it."""
    inferer, network = bundle.content("inferer", "network", **{k: v for k, v in FIXED.items() if k in bundle.keys})
    network.eval()
    options: dict[str, Any] = {} if bundle.name == SEGMENTER else {"seeds": [SEED]}
    if bundle.name == ADAPTIVE:
        options["targets"] = [target]
    with torch.inference_mode():
        return inferer(context if bundle.name == GENERATOR else image, network, **options)


@pytest.mark.parametrize("ending", ["onnx", "ts"])
@pytest.mark.parametrize("name", TINY)
def test_a_file_gives_what_the_config_gives(tiny, exported, name, ending):
    path, about = exported(name, ending)
    shapes = {key: value["shape"] for key, value in about["inputs"].items()}
    image = torch.rand(1, 1, *TINY[name]["spatial_size"], generator=torch.Generator().manual_seed(1))
    context = torch.rand(1, 1, 4, generator=torch.Generator().manual_seed(2))
    inputs = {"image": image, "context": context, "target": torch.tensor([2])}
    if "noise" in shapes:
        inputs["noise"] = torch.randn(shapes["noise"], generator=generator_for(SEED, "noise"))
    inputs = {key: inputs[key] for key in shapes}
    assert {key: list(value.shape) for key, value in inputs.items()} == shapes
    run = load_file(path)
    found = run(inputs)
    (output,) = about["outputs"].values()
    assert list(found.shape) == output["shape"]
    expected = reference(tiny(name), image, context, "FLAIR")
    assert float(expected.std()) > 0.01
    beyond = (found - expected).abs() > 1e-4
    # Where two codes of the quantiser are equally near, rounding chooses.
    assert float(beyond.double().mean()) <= (0.005 if name == ADAPTIVE else 0.0)
    for key, value in inputs.items():  # no input has become a constant
        other = (value + 1) % 3 if key == "target" else value.flip(-1)
        changed = run({**inputs, key: other})
        assert float((changed - found).abs().max()) > 0.01, key


@pytest.mark.parametrize("name", TINY)
def test_a_file_describes_itself(exported, weights, name):
    path, about = exported(name, "onnx")
    session = pytest.importorskip("onnxruntime").InferenceSession(path)
    assert json.loads(session.get_modelmeta().custom_metadata_map["metadata"]) == about
    assert [(one.name, one.shape) for one in session.get_inputs()] == [
        (key, value["shape"]) for key, value in about["inputs"].items()
    ]
    assert [one.name for one in session.get_outputs()] == list(about["outputs"])
    path, again = exported(name, "ts")
    assert load_net_with_metadata(path)[1] == again
    assert {key for key in about if about[key] != again[key]} <= {"form", "checked"}

    assert (about["bundle"], about["version"], about["form"]) == (name, "0.1.0", "onnx")
    assert (about["spacing"], about["spatial_size"]) == (TINY[name]["spacing"], TINY[name]["spatial_size"])
    assert about["orientation"] == "RAS"
    assert about["intensity_scale"] == ("head_median" if name == SEGMENTER else "median")
    assert about["weights"]["network"] == hash_file(weights[name] / "model.pt")
    if name != SEGMENTER:
        assert about["weights"]["autoencoder"] == hash_file(weights[name] / "autoencoder.pt")
        assert len(about["settings"]["timesteps"]) == {GENERATOR: 3, SLICES: 2, ADAPTIVE: 1}[name]
    own = {
        GENERATOR: ("suffix", "T1w"),
        SLICES: ("target", "T2w"),
        ADAPTIVE: ("contrasts", ["T1w", "T2w", "FLAIR", "ce-gadolinium_T1w", "PDw"]),
        SEGMENTER: ("classes", class_names()),
    }
    key, value = own[name]
    assert about[key] == value
    assert about["checked"]["max_difference"] >= 0


@pytest.mark.parametrize("ending", ["onnx", "ts"])
def test_a_target_beyond_the_contrasts_is_an_error(exported, ending):
    path, about = exported(ADAPTIVE, ending)
    image, noise = (torch.zeros(about["inputs"][key]["shape"]) for key in ("image", "noise"))
    with pytest.raises(Exception, match=r"(?i)ind(ex|ices).*out"):  # each library has a class of its own
        load_file(path)({"image": image, "target": torch.tensor([5]), "noise": noise})


def test_settings_of_the_config_are_those_of_the_file(tiny, tmp_path):
    path = tmp_path / "model.ts"
    bundle = tiny(GENERATOR, sampler="rflow", num_inference_steps=2)
    about = export_bundle(bundle, path)
    assert about["settings"]["timesteps"] == [1000, 500]
    assert about["settings"]["scheduler"]["class"].endswith(".RFlowScheduler")
    context = torch.rand(1, 1, 4, generator=torch.Generator().manual_seed(2))
    noise = torch.randn(about["inputs"]["noise"]["shape"], generator=generator_for(SEED, "noise"))
    found = load_file(path)({"context": context, "noise": noise})
    torch.testing.assert_close(found, reference(bundle, context, context, ""), atol=1e-5, rtol=1e-4)


def test_another_grid(tiny, tmp_path):
    path, bundle = tmp_path / "model.ts", tiny(ADAPTIVE, spatial_size=[16, 32, 48])
    about = export_bundle(bundle, path)
    assert about["spatial_size"] == [16, 32, 48]
    assert about["inputs"]["noise"]["shape"][2:] == [4, 8, 12]
    image = torch.rand(1, 1, 16, 32, 48, generator=torch.Generator().manual_seed(1))
    noise = torch.randn(about["inputs"]["noise"]["shape"], generator=generator_for(SEED, "noise"))
    found = load_file(path)({"image": image, "target": torch.tensor([1]), "noise": noise})
    beyond = (found - reference(bundle, image, image, "T2w")).abs() > 1e-4
    assert float(beyond.double().mean()) <= 0.005


def test_the_adaptive_translator_from_noise_alone(tiny, tmp_path):
    path, bundle = tmp_path / "model.ts", tiny(ADAPTIVE, start="noise", num_inference_steps=2)
    about = export_bundle(bundle, path)
    assert len(about["settings"]["timesteps"]) == 2
    image = torch.rand(about["inputs"]["image"]["shape"], generator=torch.Generator().manual_seed(1))
    noise = torch.randn(about["inputs"]["noise"]["shape"], generator=generator_for(SEED, "noise"))
    found = load_file(path)({"image": image, "target": torch.tensor([1]), "noise": noise})
    beyond = (found - reference(bundle, image, image, "T2w")).abs() > 1e-4
    assert float(beyond.double().mean()) <= 0.005


def test_the_segmenter_with_its_mirror_image(tiny, tmp_path):
    path, bundle = tmp_path / "model.onnx", tiny(SEGMENTER, flip=True)
    assert export_bundle(bundle, path)["settings"] == {"flip": True}
    image = torch.rand(1, 1, 48, 48, 48, generator=torch.Generator().manual_seed(1))
    found = load_file(path)({"image": image})
    torch.testing.assert_close(found, reference(bundle, image, image, ""), atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(load_file(path)({"image": image.flip(2)}), found.flip(2), atol=1e-5, rtol=1e-4)


def test_a_file_is_replaced_only_if_it_is_told(tiny, tmp_path):
    path = tmp_path / "model.ts"
    path.write_text("mine")
    with pytest.raises(FileExistsError, match=r"model\.ts exists; give another --output_file, or --overwrite"):
        export_bundle(tiny(SEGMENTER), path)
    assert path.read_text() == "mine"
    export_bundle(tiny(SEGMENTER), path, overwrite=True)
    assert path.stat().st_size > 1000


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        (GENERATOR, {"precision": "bf16"}, "precision: an export sets this itself"),
        (GENERATOR, {"device": "cpu", "decode_slab_size": 8}, "device, decode_slab_size: an export sets this itself"),
        (SLICES, {"sampler": "ddpm", "num_inference_steps": 1000}, "brain_bundles's DDPMScheduler cannot be exp"),
        (SLICES, {"scheduler::eta": 0.5, "sampler": "ddim"}, "DDIMScheduler cannot be exported: its steps draw"),
        (SLICES, {"num_draws": 3}, "num_draws is 3; a module makes one draw"),
        (SLICES, {"slices_per_window": 8}, "slices_per_window is 8; an export takes whole volumes"),
        (ADAPTIVE, {"spatial_size": [24, 32, 48]}, "spatial_size"),
        (SLICES, {"spatial_size": [32, 40, 32]}, "spatial_size"),
        (SEGMENTER, {"spatial_size": [46, 48, 48]}, "spatial_size"),
        (GENERATOR, {"prediction_type": "epsilon"}, "prediction_type is rectified_flow in the weights and epsilon"),
        (ADAPTIVE, {"inferer::diffusion": False}, "diffusion is False; an export has the diffusion"),
        (SEGMENTER, {"inferer": {"_target_": "monai.inferers.SimpleInferer"}}, "is a SimpleInferer, which has no to_"),
    ],
)
def test_what_no_file_can_have_is_refused(tiny, tmp_path, name, options, message):
    with pytest.raises(ValueError, match=message):
        export_bundle(tiny(name, **options), tmp_path / "model.ts")
    assert list(tmp_path.iterdir()) == []


def test_without_weights_nothing_is_exported(tiny, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"model\.pt does not exist"):
        export_bundle(tiny(SEGMENTER, ckpt_dir=str(tmp_path / "none")), tmp_path / "model.ts")


def test_onnx_without_its_extra_says_what_to_install(tiny, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ImportError, match=r"onnxruntime: an export to ONNX needs it; .*'brain-bundles\[export\]'"):
        export_bundle(tiny(SEGMENTER), tmp_path / "model.onnx")
    assert export_bundle(tiny(SEGMENTER), tmp_path / "model.ts")["form"] == "torchscript"


def test_more_weights_than_a_file_of_onnx_holds_are_refused(tiny, tmp_path, monkeypatch):
    monkeypatch.setattr("brain_bundles.export.onnx_form.MAX_BYTES", 1000)
    with pytest.raises(ValueError, match="GB, an ONNX file holds 2; export to torchscript"):
        export_bundle(tiny(SEGMENTER), tmp_path / "model.onnx")


def test_a_file_that_computes_something_else_is_not_written(tiny, tmp_path, monkeypatch):
    """A network that chooses by its input, which no trace follows."""
    plain = SegmentationInferer.__call__
    traced = random_image(TINY[SEGMENTER]["spatial_size"], seed=0)

    def choosy(self: Any, inputs: torch.Tensor, network: Any) -> torch.Tensor:
        return plain(self, inputs if torch.equal(inputs, traced) else 1 - inputs, network)

    monkeypatch.setattr(SegmentationInferer, "__call__", choosy)
    with pytest.raises(ValueError, match=r"the file computes something else: [5-9]\d\.\d\d% of the voxels differ"):
        export_bundle(tiny(SEGMENTER), tmp_path / "model.ts")
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_gives_nan_is_not_written(tiny, tmp_path, monkeypatch):
    monkeypatch.setattr(
        "brain_bundles.export.torchscript_form.run", lambda code, inputs: torch.full((1, 19, 48, 48, 48), np.nan)
    )
    with pytest.raises(ValueError, match=r"100\.00% of the voxels differ"):
        export_bundle(tiny(SEGMENTER), tmp_path / "model.ts")


def test_paths_may_be_text(tiny, tmp_path):
    export_bundle(tiny(SEGMENTER), str(tmp_path / "deep" / "model.ts"))
    assert Path(tmp_path / "deep" / "model.ts").is_file()
