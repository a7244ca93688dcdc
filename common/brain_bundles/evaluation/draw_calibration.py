"""Calibration of the spread of several draws on subjects whose target is known."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.stats import spearmanr
from torch import nn
from tqdm import tqdm

from brain_bundles.evaluation.tables import finite_json
from brain_bundles.evaluation.translation_subject import Preprocessing, load_subject
from brain_bundles.inferers.spread_calibration import SpreadCalibration
from brain_bundles.inferers.volume_translator import VolumeTranslator
from brain_bundles.metrics.translation import brain_mask
from brain_bundles.utils.atomic import write_json
from brain_bundles.utils.recipe import SPREAD
from brain_bundles.utils.seeding import derive_seed, generator_for
from brain_bundles.utils.weights_recipe import change_recipe

logger = logging.getLogger(__name__)

Values = NDArray[np.float64]
WIDTH = 2.0  # deviations on either side
COVERED = 0.95  # share of the errors that are to be within
VOXELS = 20_000  # of each subject


def calibrate_draws(
    fit_datalist: Sequence[Mapping[str, Any]],
    test_datalist: Sequence[Mapping[str, Any]],
    preprocessing: Preprocessing,
    *,
    source: str,
    target: str,
    translator: VolumeTranslator,
    network: nn.Module,
    weights: str | Path,
    output_dir: str | Path,
    seed: int = 0,
) -> dict[str, Any]:
    """Fit what makes the spread of draws an uncertainty, score it on other subjects, and write it into the weights.

    Args:
        fit_datalist: subjects to fit to, with both contrasts, that no training saw.
        test_datalist: other subjects, to score on; may be empty.
        preprocessing: makes each contrast (1, D, H, W) in [0, 1] on the model's grid.
        source, target: the two contrasts.
        translator: makes several draws, without a calibration.
        network: its diffusion network.
        weights: file of the network; its recipe gets the entry ``spread``.
        output_dir: gets spread.json with the numbers.
        seed: seed of the draws, with the subject's name.

    Returns:
        The content of spread.json: ``calibration``, and the scores of both lists and of the raw spread.

    Raises:
        ValueError: if the translator makes one draw, or there is nobody to fit to.
    """
    if translator.num_draws < 2:
        raise ValueError(f"num_draws is {translator.num_draws}; a spread needs several, such as 8.")
    if not fit_datalist:
        raise ValueError("nobody to fit the spread of the draws to: the split has no subject with both contrasts.")

    def samples(items: Sequence[Mapping[str, Any]], what: str) -> list[tuple[Values, Values]]:
        return list(tqdm(_samples(items), desc=what, total=len(items), unit="subject", disable=None))

    def _samples(items: Iterable[Mapping[str, Any]]) -> Iterator[tuple[Values, Values]]:
        for item in items:
            subject = load_subject(item, preprocessing, [source, target])
            own = derive_seed(seed, subject.participant_id, target)
            with torch.inference_mode():
                given = subject.volumes[source][None, None].to(next(network.parameters()).device)
                mean, deviation = translator(given, network, seeds=[own])[0].cpu()
            true = subject.volumes[target]
            inside = brain_mask(subject.volumes[source], true)
            error = (mean - true).abs()[inside].double()
            chosen = torch.randperm(len(error), generator=generator_for(own, "voxels"))[:VOXELS]
            yield error[chosen].numpy(), deviation[inside].double()[chosen].numpy()

    fitted, tested = samples(fit_datalist, "fit"), samples(test_datalist, "test")
    scale, floor = fit_spread(*(np.concatenate(parts) for parts in zip(*fitted, strict=True)))
    calibration = SpreadCalibration(scale, floor, translator.sampler.steps.num_inference_steps)
    lists = {"fit": fitted, "test": tested}
    report = {
        "calibration": asdict(calibration),
        "num_draws": translator.num_draws,
        **{name: _scores(pairs, calibration) for name, pairs in lists.items() if pairs},
        **{f"{name}_uncalibrated": _scores(pairs, None) for name, pairs in lists.items() if pairs},
    }
    report = finite_json(report)
    write_json(Path(output_dir) / "spread.json", report)
    change_recipe(weights, {SPREAD: asdict(calibration)})
    logger.info("%s\n%s", Path(output_dir) / "spread.json", json.dumps(report, indent=4))
    return report


def fit_spread(errors: Values, deviations: Values) -> tuple[float, float]:
    """Scale and floor of a :class:`SpreadCalibration` from errors and the deviations of their draws, both (N,).

    The relation of the two is that of the greatest likelihood of normal errors. Errors are not quite normal, so both
    numbers are then multiplied alike until 95 % of the errors are within two deviations.
    """

    def loss(logarithms: Values) -> float:
        scale, floor = np.exp(logarithms)
        variance = (scale * deviations) ** 2 + floor**2
        return float((np.log(variance) + errors**2 / variance).mean())

    typical = max(float(np.sqrt((errors**2).mean())), 1e-6)
    start = np.log([typical / max(float(deviations.mean()), 1e-6), typical])
    scale, floor = np.exp(minimize(loss, start, method="Nelder-Mead").x)
    unit = np.sqrt((scale * deviations) ** 2 + floor**2)
    wider = float(np.quantile(errors / unit, COVERED)) / WIDTH
    return float(scale * wider), float(floor * wider)


def score_spread(errors: Values, deviations: Values) -> dict[str, float]:
    """How good an uncertainty ``deviations`` (N,) are for absolute ``errors`` (N,).

    Returns:
        ``coverage``, the share of errors within two deviations; ``mean_width`` of the interval of two deviations on
        either side; ``mean_absolute_error``; ``width_by_error``, their ratio; and ``rank_correlation`` (Spearman) of
        deviations and errors, NaN where all deviations are the same.
    """
    width, error = 2 * WIDTH * float(deviations.mean()), float(errors.mean())
    return {
        "coverage": float((errors <= WIDTH * deviations).mean()),
        "mean_width": width,
        "mean_absolute_error": error,
        "width_by_error": width / error if error > 0 else float("nan"),
        "rank_correlation": float(spearmanr(deviations, errors).statistic) if np.ptp(deviations) > 0 else float("nan"),
    }


def _scores(pairs: Sequence[tuple[Values, Values]], calibration: SpreadCalibration | None) -> dict[str, float]:
    """Means of the scores over subjects."""

    def calibrated(deviations: Values) -> Values:
        return deviations if calibration is None else calibration(torch.from_numpy(deviations)).numpy()

    rows = [score_spread(errors, calibrated(deviations)) for errors, deviations in pairs]
    return {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}
