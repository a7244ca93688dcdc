from __future__ import annotations

import torch


def test_the_switch_counts_what_predictions_are_nearest_to(compare_all, make_subjects, tmp_path):
    """The truth has the target's contrast; a method that returns its source has the contrast of the source."""

    def right(source, *, targets, seeds):
        item = next(
            item
            for item in make_subjects(3)
            if any(torch.equal(item[name], source[0]) for name in item.keys() & {"T1w", "T2w", "FLAIR"})
        )
        return torch.stack([item[target] for target in targets])

    switch = compare_all(methods={"right": right})["switch"]
    for target, number in (("T1w", 5), ("T2w", 5), ("FLAIR", 4)):
        assert switch["right"][target] == {"nearest": {target: number}, "on_average": target}
    assert switch["copy"]["FLAIR"]["nearest"] == {"T1w": 2, "T2w": 2}
    assert "nearest to: right" in (tmp_path / "metrics.md").read_text()
