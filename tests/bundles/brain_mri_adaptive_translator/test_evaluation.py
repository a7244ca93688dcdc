"""The comparison by its config, on tiny phantoms."""

from __future__ import annotations

import json

from .conftest import TINY_PIX2PIX


def test_the_config_compares_with_ms_spade_alone_and_pix2pix(trained, tmp_path):
    bundle = trained.copy_to(tmp_path / "models")
    bundle.run("baseline_pix2pix", tmp_path / "pix2pix")
    options = {f"pix2pix_def::{key}": value for key, value in TINY_PIX2PIX.items()}
    options["pix2pix_weights"] = {"T1w to T2w": str(bundle.ckpt_dir / "pix2pix_T1w_T2w.pt")}
    bundle.run(
        "inference",
        tmp_path / "out",
        "evaluate",
        metrics_dir=str(tmp_path / "metrics"),
        num_test_subjects=1,
        **options,
    )
    metrics = json.loads((tmp_path / "metrics" / "metrics.json").read_text())
    methods = ["copy", "intensity regression", "MS-SPADE alone", "adaptive translator", "pix2pix"]
    assert list(metrics["methods"]) == methods
    assert set(metrics["methods"]["pix2pix"]["brain"]) == {"T1w to T2w", "all"}
    assert len(metrics["methods"]["adaptive translator"]["brain"]) == 6 + 1
    assert (tmp_path / "metrics" / "matrix.png").is_file()
