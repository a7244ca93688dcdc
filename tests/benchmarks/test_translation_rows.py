"""The trainings of the comparisons name configs and settings that exist, and share their time."""

from __future__ import annotations

import re
import sys
from collections import Counter
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from read_configs import read_configs
from train_weights import stages
from translation_rows import TRAININGS, comparison


@pytest.mark.parametrize("bundle", sorted(TRAININGS))
def test_every_training_and_the_comparison_set_keys_that_exist(bundle):
    trainings = TRAININGS[bundle]()
    assert len({one.name for one in trainings}) == len(trainings)
    configs = {tuple(one.files): read_configs(bundle, list(one.files)) for one in trainings}
    for one in trainings:
        config = configs[tuple(one.files)]
        keys = ("ckpt_dir", "output_dir", "resume", "max_epochs", "samples_per_epoch")
        assert all(key in config for key in (*keys, *one.options))
    evaluate = read_configs(bundle, ["inference", "evaluate"])
    chosen = comparison(bundle, Path("folder"))
    assert all(key in evaluate for key in chosen)
    rows = {key.partition("::")[2] for key in chosen if "::" in key}
    assert rows == set(evaluate["baseline_weights"])


@pytest.mark.parametrize("bundle", sorted(TRAININGS))
def test_a_row_has_one_budget_and_an_ablation_starts_with_what_was_trained_before(bundle):
    trainings = TRAININGS[bundle]()
    shares: Counter[str] = Counter()
    seen = []
    for one in trainings:
        kind = re.split(r"_(T1w|T2w|FLAIR|ce-gad)", one.name)[0]
        shares["method" if one in stages(bundle) else kind] += one.share
        assert all(name in seen for name in one.takes)
        seen += re.findall(r"\w+\.pt", read_configs(bundle, list(one.files))["_desc_"])
    full = {name for name, share in shares.items() if share == pytest.approx(1)}
    assert {"method", "pix2pix", "cyclegan"} <= full
    assert all(share < 1 for name, share in shares.items() if name not in full)  # stages of ablations


def test_the_networks_of_many_contrasts_know_those_of_the_rows():
    bundle, contrasts = "brain_mri_adaptive_translator", ["T1w", "PDw"]
    chosen = [*(one.options for one in TRAININGS[bundle](contrasts)), comparison(bundle, Path("folder"), contrasts)]
    assert all(options["contrasts"] == contrasts for options in chosen)
