"""The evaluation overlay: every number of the table is there, and finite where it is defined."""

from __future__ import annotations

import json

import pytest
import torch
from brain_bundles.zoo.weights_recipe import change_recipe


@pytest.mark.filterwarnings("ignore:.*cannot be measured")
def test_evaluate_writes_metrics_a_table_and_pictures(trained, tmp_path):
    """A grid of 48x64x48 is the smallest for MS-SSIM. Untrained brains may not be measurable; the report says so."""
    bundle = trained.copy_to(tmp_path / "models")
    grid = {"spacing": 3.0, "spatial_size": [48, 64, 48]}
    change_recipe(bundle.ckpt_dir / "autoencoder.pt", grid)
    model = torch.load(bundle.ckpt_dir / "model.pt", weights_only=True)
    model["position"] = torch.nn.functional.interpolate(model["position"], size=[12, 16, 12], mode="trilinear")
    torch.save(model, bundle.ckpt_dir / "model.pt")
    change_recipe(bundle.ckpt_dir / "model.pt", {**grid, "position_map": [12, 16, 12]})
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
    errors = {(row["sampler"], row["num_inference_steps"]): row["latent_error"] for row in metrics["samplers"]}
    assert errors.pop(("ddim", 30)) == 0  # the reference
    assert errors.keys() == {("ddim", n) for n in (10, 20, 50)} | {("dpm_solver", n) for n in (10, 15, 20)}
    assert min(errors.values()) > 0
    assert "| ddim" in (tmp_path / "out" / "metrics.md").read_text()
    for name in ("measured.tsv", "requested_vs_measured.png", "generated/preview.png"):
        assert (tmp_path / "out" / name).stat().st_size > 0
