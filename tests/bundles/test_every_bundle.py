"""Rules for the configs and folders of every bundle."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import torch
import yaml
from brain_bundles.utils import load_weights
from brain_bundles.version import __version__
from bundle_verify.verify import SCHEMA
from monai.bundle import ConfigParser, ConfigWorkflow, ckpt_export, verify_metadata, verify_net_in_out

BUNDLES = sorted(path for path in (Path(__file__).parents[2] / "bundles").iterdir() if (path / "configs").is_dir())
FILES = [path for bundle in BUNDLES for path in sorted((bundle / "configs").glob("*.json"))]
TOOL_FILES = {"meta": "metadata", "config": "inference"}  # what MONAI's tools read
ENTRIES = [path for path in FILES if "bundle_root" in json.loads(path.read_text())]  # what is no overlay
OVERLAID = [path for path in ENTRIES if path.with_name("paper.json").is_file()]  # the segmenter has no published size
SAMPLING = [
    bundle for bundle in BUNDLES if "scheduler" in json.loads((bundle / "configs" / "inference.json").read_text())
]
TRAININGS = [(path,) for path in ENTRIES if "train" in json.loads(path.read_text())]
OVERLAYS = {"train_slices": "train.json", "baseline_palette": "baseline_unet.json"}
TRAININGS += [(path.with_name(OVERLAYS[path.stem]), path) for path in FILES if path.stem in OVERLAYS]


def metadata(bundle: Path) -> dict[str, Any]:
    return json.loads((bundle / "configs" / "metadata.json").read_text())


def strings(content: Any) -> Iterator[str]:
    if isinstance(content, dict):
        for key, value in content.items():
            yield key
            yield from strings(value)
    elif isinstance(content, list):
        for value in content:
            yield from strings(value)
    elif isinstance(content, str):
        yield content


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parents[1].name}-{path.stem}")
def test_no_string_has_a_number_sign(path):
    """MONAI's parser turns every number sign into ``::``, in URLs and prose as well."""
    assert [s for s in strings(json.loads(path.read_text())) if "#" in s] == []


@pytest.mark.parametrize("path", OVERLAID, ids=lambda path: f"{path.parents[1].name}-{path.stem}")
def test_the_paper_overlay_means_the_same_by_every_id(path):
    """The overlay may lie over every file, and then replaces the entries with the same id; optimizers are all alike."""
    paper, below = (json.loads((path.parent / name).read_text()) for name in ("paper.json", path.name))
    for key, value in paper.items():
        if isinstance(value, dict) and "_target_" in value and key in below and key != "optimizer":
            assert below[key]["_target_"] == value["_target_"], key


@pytest.mark.parametrize("paths", TRAININGS, ids=lambda paths: f"{paths[0].parents[1].name}-{paths[-1].stem}")
def test_a_training_as_it_ships_has_every_property_and_needs_no_data_to_show_them(paths, tmp_path):
    """The whole workflow is made, no option is switched off, and nothing is written: neither data nor a cache."""
    for folder in ("configs", "models"):
        if (there := paths[0].parents[1] / folder).is_dir():  # no models before weights ship
            shutil.copytree(there, tmp_path / folder)
    before = {item: item.stat().st_mtime_ns for item in tmp_path.rglob("*")}
    workflow = ConfigWorkflow(
        config_file=[str(tmp_path / "configs" / path.name) for path in paths],
        workflow_type="train",
        logging_file=False,
        bundle_root=str(tmp_path),
    )
    workflow.initialize()
    assert workflow.check_properties() == []
    assert {item: item.stat().st_mtime_ns for item in tmp_path.rglob("*")} == before


def test_citation_and_changelog_are_of_this_version():
    root = Path(__file__).parents[2]
    citation = yaml.safe_load((root / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == __version__
    assert len(citation["references"]) == 4  # a paper for each method
    assert f"\n## {__version__}\n" in (root / "CHANGELOG.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("bundle", BUNDLES, ids=lambda path: path.name)
def test_the_name_has_no_version_mark(bundle):
    assert "_v" not in bundle.name  # MONAI's look-up would cut the name there


@pytest.mark.parametrize("bundle", BUNDLES, ids=lambda path: path.name)
def test_metadata_follows_the_schema(bundle, tmp_path, monkeypatch, caplog):
    """By the schema itself, and by MONAI's own command, which fetches the schema only if it is missing."""
    jsonschema.validate(metadata(bundle), json.loads(SCHEMA.read_text()))
    assert metadata(bundle)["version"] == __version__
    assert __version__ in metadata(bundle)["changelog"]
    monkeypatch.chdir(tmp_path)
    caplog.set_level("INFO")
    verify_metadata(meta_file=str(bundle / "configs" / "metadata.json"), filepath=str(SCHEMA))
    assert "metadata is verified with no error" in caplog.text


@pytest.mark.parametrize("bundle", BUNDLES, ids=lambda path: path.name)
def test_the_network_has_the_shapes_of_the_metadata(bundle, tmp_path, monkeypatch, caplog):
    """By MONAI's own command, from another folder."""
    files = {f"{kind}_file": str(bundle / "configs" / f"{name}.json") for kind, name in TOOL_FILES.items()}
    monkeypatch.chdir(tmp_path)
    caplog.set_level("INFO")
    verify_net_in_out("network_def", **files)
    assert "data shape of network is verified with no error" in caplog.text


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("FlowMatchEulerDiscreteScheduler", "cannot run here: of diffusers these are supported"),
        ("EulerDiscreteScheduler", "cannot run here: it expects a network that predicts 'epsilon'"),
    ],
)
@pytest.mark.parametrize("bundle", SAMPLING, ids=lambda path: path.name)
def test_a_scheduler_that_cannot_run_is_refused_by_name_before_weights_are_loaded(bundle, name, reason, tmp_path):
    pytest.importorskip("diffusers")
    workflow = ConfigWorkflow(
        config_file=str(bundle / "configs" / "inference.json"),
        workflow_type="infer",
        bundle_root=str(bundle),
        ckpt_dir=str(tmp_path / "none"),  # so loading would fail
        output_dir=str(tmp_path / "out"),
        scheduler={"_target_": f"diffusers.{name}"},
    )
    with pytest.raises(RuntimeError) as error:
        workflow.initialize()
    assert f"diffusers's {name} {reason}" in str(error.value.__cause__)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("bundle", BUNDLES, ids=lambda path: path.name)
def test_the_schema_refuses_metadata_without_its_parts(bundle):
    content = metadata(bundle)
    del content["network_data_format"]["inputs"]["image"]["dtype"]
    with pytest.raises(jsonschema.ValidationError, match="'dtype' is a required property"):
        jsonschema.validate(content, json.loads(SCHEMA.read_text()))


@pytest.mark.parametrize("bundle", BUNDLES, ids=lambda path: path.name)
def test_weights_that_ship_are_small_enough_for_git(bundle):
    sizes = {path.name: path.stat().st_size / 2**20 for path in (bundle / "models").glob("*.pt")}
    if not sizes:
        pytest.skip(f"{bundle.name} has no weights yet; a training makes models/model.pt")
    stages = (
        {"autoencoder.pt", "model.pt"} if (bundle / "configs" / "train_autoencoder.json").is_file() else {"model.pt"}
    )
    # The slice network is for the comparison, the second encoder judges features, the reader corrects conditions,
    # the networks of few steps and of another target are no defaults.
    others = {"slice_model.pt", "second_encoder.pt", "discriminator.pt", "reader.pt", "few_steps.pt", "flair.pt"}
    assert sizes.keys() - others == stages
    assert max(sizes.values()) <= 25.0


@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")
@pytest.mark.parametrize(
    ("bundle", "shape"),
    [
        ("brain_mri_generator", (1, 4, 20, 24, 20)),
        ("brain_mri_slice2volume_translator", (1, 24, 8, 20, 24)),
        ("brain_mri_adaptive_translator", (1, 125, 20, 24, 20)),
        ("brain_mri_segmenter", (1, 1, 32, 48, 32)),
    ],
)
def test_ckpt_export_gives_the_network(bundle, shape, tmp_path, monkeypatch):
    """With the weights that ship; the batch may be another."""
    folder = next(path for path in BUNDLES if path.name == bundle)
    files = {f"{kind}_file": str(folder / "configs" / f"{name}.json") for kind, name in TOOL_FILES.items()}
    weights = folder / "models" / "model.pt"
    if not weights.is_file():
        pytest.skip(f"{bundle} has no weights yet; a training makes models/model.pt")
    monkeypatch.chdir(folder)  # whose weights say how many covariates and contrasts they know
    parser = ConfigParser()
    parser.read_config(files["config_file"])
    network = load_weights(parser.get_parsed_content("network_def").eval(), weights)
    # A network of MONAI's own has no place for the recipe until the config gives it one.
    own = bundle == "brain_mri_segmenter"
    options = {"ckpt_dir": str(weights.parent)} if own else {}
    ckpt_export(
        "network" if own else "network_def",
        filepath=str(tmp_path / "model.ts"),
        ckpt_file=str(weights),
        use_trace=True,
        input_shape=list(shape),
        **files,
        **options,
    )
    extra = {"metadata.json": "", "inference.json": ""}
    exported = torch.jit.load(tmp_path / "model.ts", _extra_files=extra)
    assert all(extra.values())
    x = torch.randn(2, *shape[1:], generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        torch.testing.assert_close(exported(x), network(x), atol=1e-4, rtol=1e-3)  # fp32, another order of sums
