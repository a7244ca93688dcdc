"""The evaluation overlay: every number of the table is there, and finite where it is defined."""

from __future__ import annotations

import json

import pytest
import torch
from brain_bundles.bundle import evaluate_rows
from brain_bundles.data import read_participants
from brain_bundles.zoo.weights_recipe import change_recipe

from .conftest import TINY_NETWORKS

# Untrained brains may not be measurable; the report says so.
pytestmark = pytest.mark.filterwarnings("ignore:.*cannot be measured")


@pytest.fixture
def bundle(trained, tmp_path):
    """The trained bundle on a grid of 48x64x48, the smallest for MS-SSIM."""
    bundle = trained.copy_to(tmp_path / "models")
    grid = {"spacing": 3.0, "spatial_size": [48, 64, 48]}
    change_recipe(bundle.ckpt_dir / "autoencoder.pt", grid)
    model = torch.load(bundle.ckpt_dir / "model.pt", weights_only=True)
    model["position"] = torch.nn.functional.interpolate(model["position"], size=[12, 16, 12], mode="trilinear")
    torch.save(model, bundle.ckpt_dir / "model.pt")
    change_recipe(bundle.ckpt_dir / "model.pt", {**grid, "position_map": [12, 16, 12]})
    return bundle


def test_evaluate_writes_metrics_a_table_and_pictures(bundle, trained, tmp_path):
    bundle.run(
        "inference",
        tmp_path / "out" / "generated",
        "evaluate",
        metrics_dir=str(tmp_path / "out"),
        reference_dir=str(trained.dataset_dir),
        num_samples=3,
        num_inference_steps=3,
        num_pairs=2,
        ms_ssim_kernel_size=3,
        **{"sampler_rows::reference_steps": 30},
    )
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert metrics["num_generated"] == 3
    assert metrics["reference_split"] == "test"
    assert 0 < metrics["ms_ssim"]["reference"]["mean"] < 1
    assert metrics["fidelity"].keys() == {"ventricular_volume", "brain_volume"}
    assert metrics["readings"].keys() == {"ventricular_volume", "brain_volume", "age"}
    errors = {(row["sampler"], row["num_inference_steps"]): row["latent_error"] for row in metrics["samplers"]}
    assert errors.pop(("ddim", 30)) == 0  # the reference
    assert errors.keys() == {("ddim", n) for n in (10, 20, 50)} | {("dpm_solver", n) for n in (10, 15, 20)}
    assert min(errors.values()) > 0
    assert "| ddim" in (tmp_path / "out" / "metrics.md").read_text()
    for name in ("measured.tsv", "requested_vs_measured.png", "generated/preview.png"):
        assert (tmp_path / "out" / name).stat().st_size > 0


def test_rows_of_the_published_table_share_conditions_and_go_on(bundle, trained, tmp_path):
    """The same settings under two names give the same brains; a second start makes nothing again."""
    rows = [
        {"name": "short", "options": {"num_inference_steps": 2}},
        {"name": "again", "options": {"num_inference_steps": 2}},
        {"name": "ddim", "options": {"sampler": "ddim", "num_inference_steps": 3}, "num_samples": 1},
    ]

    def run():
        return evaluate_rows(
            bundle.root,
            rows,
            trained.dataset_dir,
            tmp_path / "out",
            num_samples=3,
            options={"ckpt_dir": str(bundle.ckpt_dir), "device": "cpu", "precision": "fp32", **TINY_NETWORKS},
            spacing=3.0,
            spatial_size=[48, 64, 48],
            num_pairs=2,
            num_four_gr_pairs=1,
            kernel_size=3,
        )

    first = run()
    short, again, ddim = first
    assert short["metrics"] == again["metrics"]
    assert [row["num_samples"] for row in first] == [3, 3, 1]
    assert all(row["seconds"] > 0 for row in first)
    assert short["metrics"]["ms_ssim"] != ddim["metrics"]["ms_ssim"]
    held_out = [row for row in read_participants(trained.dataset_dir) if row["split"] == "test"]
    made = read_participants(tmp_path / "out" / "short" / "generated")
    for name in ("age", "sex", "ventricular_volume", "brain_volume"):
        wanted = [held_out[i % len(held_out)][name] for i in range(3)]
        assert [row[name] for row in made] == wanted
    assert "| again | 3 | n/a |" in (tmp_path / "out" / "rows.md").read_text()
    assert json.loads((tmp_path / "out" / "rows.json").read_text())["rows"] == first
    second = run()
    assert [row["seconds"] for row in second] == [None] * 3
    assert [row["metrics"] for row in second] == [row["metrics"] for row in first]


def test_rows_of_one_name_are_refused(bundle, tmp_path, trained):
    with pytest.raises(ValueError, match="one, one; give each its own"):
        evaluate_rows(bundle.root, [{"name": "one"}] * 2, trained.dataset_dir, tmp_path / "out")
