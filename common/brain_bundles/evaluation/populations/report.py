"""Report of a comparison as Markdown tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from brain_bundles.evaluation.tables import cell, table
from brain_bundles.metrics.power_bands import BANDS

_MEANING = {
    "network": "a small 3D network on crops of the image",
    "network, inner brain": "the same, without the outer 8 mm of the brain",
    "all numbers": "logistic regression on all numbers below",
    "levels": "on the levels of the tissues and the contrast to noise",
    "detail": "on the power in three bands",
    "mask": "on size and outline of the brain mask, and the level at its edge",
    "volumes": "on the volumes of ventricles and brain",
}


def markdown(results: Mapping[str, Any]) -> str:
    """Format the results of :func:`brain_bundles.evaluation.populations.compare_populations` as tables."""
    lines = ["# Comparison of two populations", "", f"A: `{results['first']}`", "", f"B: `{results['second']}`", ""]
    for contrast, found in results["contrasts"].items():
        lines += [f"## {contrast}, {found['num_people']} people of each", ""]
        lines += [f"![{contrast}]({contrast}.png)", "", f"![Curves]({contrast}_curves.png)", ""]
        lines += ["Telling A from B, people whom the classifier has not seen (0.5: cannot; 1: always can):", ""]
        lines += table(
            ["classifier", "AUC", "95 % interval", "A from A", "divisions of A"],
            [
                [f"{name}: {_MEANING[name]}", *_auc(one), *_itself(one["itself"])]
                for name, one in found["two_sample"].items()
            ],
        )
        lines += ["Levels of the tissues, mean (standard deviation) over people:", ""]
        lines += table(
            ["set", "CSF", "grey matter", "white matter", "noise", "contrast to noise"],
            [
                [
                    name,
                    *(_spread(one[key], ".3f") for key in ("csf", "grey", "white")),
                    _spread(one["noise"], ".4f"),
                    _spread(one["contrast_to_noise"], ".1f"),
                ]
                for name, one in zip("AB", found["tissues"], strict=True)
            ],
        )
        lines += ["Power of A relative to B, by band (cycles/mm):", ""]
        lines += table(
            [f"{low:.2f} to {high:.2f}" for low, high in BANDS], [[cell(r, ".2f") for r in found["power"]["ratio"]]]
        )
        similarity = found["ms_ssim"]
        lines += ["MS-SSIM of two people, mean (standard deviation):", ""]
        lines += table(
            ["within A", "within B", "between"],
            [[_spread(similarity[key], ".3f") for key in ("first", "second", "between")]],
        )
        lines += ["What differs most: mean (standard deviation), and Cohen's d of A less B:", ""]
        rows = [(kind, name, one) for kind, names in found["features"].items() for name, one in names.items()]
        rows.sort(key=lambda row: -abs(row[2]["d"] or 0.0))
        lines += table(
            ["kind", "number", "A", "B", "d"],
            [
                [kind, name, _spread(one["first"], ".3f"), _spread(one["second"], ".3f"), cell(one["d"], "+.2f")]
                for kind, name, one in rows
            ],
        )
    lines += ["## Volumes by age and sex", "", "![Volumes](volumes.png)", ""]
    lines += ["A line through the logarithm of the measured volume, over age and sex; standard errors in brackets.", ""]
    lines += table(
        ["volume", "set", "measured", "median, mL", "fitted", "at 60 years, mL", "% a decade", "men, %", "spread, %"],
        [
            [
                volume.replace("_", " "),
                name,
                str(one["num_measured"]),
                cell(one["median"], ".1f"),
                str(one["num_fitted"]),
                cell(one["at_60"], ".1f"),
                _with_error(one, "percent_per_decade"),
                _with_error(one, "percent_male"),
                cell(one["percent_residual"], ".1f"),
            ]
            for volume, pair in results["volumes"].items()
            for name, one in zip("AB", pair, strict=True)
        ],
    )
    return "\n".join(lines)


def _auc(one: Mapping[str, Any]) -> list[str]:
    return [cell(one["auc"], ".2f"), f"{cell(one['lower'], '.2f')} to {cell(one['upper'], '.2f')}"]


def _itself(one: Mapping[str, Any]) -> list[str]:
    spread = "" if one["std"] is None else f" ({one['std']:.2f})"
    return [cell(one["auc"], ".2f") + spread, str(one["splits"])]


def _spread(one: Mapping[str, Any], form: str) -> str:
    return f"{cell(one['mean'], form)} ({cell(one['std'], form)})"


def _with_error(one: Mapping[str, Any], key: str) -> str:
    return f"{cell(one[key], '+.1f')} ({cell(one[f'{key}_error'], '.1f')})"
