"""The comparison by its config, on tiny phantoms."""

from __future__ import annotations

import json

from ..conftest import without_split
from .conftest import TINY_BASELINES, TINY_PIX2PIX


def test_the_config_compares_with_ms_spade_alone_and_the_baselines(trained, tmp_path):
    bundle = trained.copy_to(tmp_path / "models")
    for name in TINY_BASELINES:
        bundle.run(name, tmp_path / name)
    options = {
        f"{name}::{key}": value
        for name in ("pix2pix_def", "cyclegan_def", "unet_def::network")
        for key, value in TINY_PIX2PIX.items()
    }
    pairs = {"T1w to T2w": "T1w_T2w", "T2w to T1w": "T2w_T1w"}
    options["baseline_weights::pix2pix"] = {"T1w to T2w": str(bundle.ckpt_dir / "pix2pix_T1w_T2w.pt")}
    options["baseline_weights::cyclegan"] = {
        pair: str(bundle.ckpt_dir / f"cyclegan_{file}.pt") for pair, file in pairs.items()
    }
    options["baseline_weights::unet_pairs"] = options["baseline_weights::pix2pix"]
    options["baseline_weights::unet"] = str(bundle.ckpt_dir / "unet.pt")
    regression = trained.copy_to(tmp_path / "regression")
    regression.run("train", tmp_path / "train", max_epochs=1, regression=True)
    options["baseline_weights::regression"] = str(regression.ckpt_dir / "model.pt")
    workflow = bundle.run(
        "inference",
        tmp_path / "out",
        "evaluate",
        metrics_dir=str(tmp_path / "metrics"),
        num_test_subjects=1,
        **options,
    )
    metrics = json.loads((tmp_path / "metrics" / "metrics.json").read_text())
    own = ["MS-SPADE alone", "adaptive translator"]
    trained_ones = ["pix2pix", "CycleGAN", "UNet of pairs", "UNet", "same network, a regression"]
    methods = ["copy", "intensity regression", *trained_ones, *own]
    assert list(metrics["methods"]) == methods
    assert set(metrics["methods"]["pix2pix"]["brain"]) == {"T1w to T2w", "all"}
    assert set(metrics["methods"]["CycleGAN"]["brain"]) == {*pairs, "all"}
    for name in ("UNet", "adaptive translator"):
        assert len(metrics["methods"][name]["brain"]) == 6 + 1
    assert (tmp_path / "metrics" / "matrix.png").is_file()
    assert list(metrics["costs"]) == methods[2:]
    costs = {name: entry["parameters"] for name, entry in metrics["costs"].items()}
    assert costs["CycleGAN"] == 2 * costs["pix2pix"]  # two pairs of the same network
    numbers = [
        sum(value.numel() for value in workflow.parser.get_parsed_content(name).parameters())
        for name in ("autoencoder", "network")
    ]
    assert costs["MS-SPADE alone"] == numbers[0]
    assert costs["adaptive translator"] == costs["same network, a regression"] == sum(numbers)
    operations = [metrics["costs"][name]["operations"] for name in own]
    assert 0 < operations[0] < operations[1]


def test_the_regression_may_be_of_another_data_set(trained, tmp_path):
    """For people without a split of training, and as if they were in one folder with those of the regression."""
    people = without_split(trained.dataset_dir, tmp_path / "people", "train")
    found = []
    for place in ({}, {"dataset_dir": str(people), "regression_dir": str(trained.dataset_dir)}):
        options = {"metrics_dir": str(tmp_path), "num_test_subjects": 1, **place}
        trained.run("inference", tmp_path / "out", "evaluate", **options)
        found.append(
            json.loads((tmp_path / "metrics.json").read_text())["methods"]["intensity regression"]["brain"]["all"][
                "psnr"
            ]
        )
    assert found[0] == found[1]
