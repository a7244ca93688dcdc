"""Calibration of the spread of several draws on subjects whose target is known."""

from __future__ import annotations

import inspect
import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.stats import spearmanr
from torch import nn
from tqdm import tqdm

from brain_bundles.evaluation.tables import finite_json
from brain_bundles.evaluation.translation_subject import Preprocessing, Subject, load_subject
from brain_bundles.inferers.latent_sampler import LatentSampler
from brain_bundles.inferers.spread_calibration import SpreadCalibration
from brain_bundles.metrics.translation import brain_mask
from brain_bundles.utils.atomic import write_json
from brain_bundles.utils.recipe import SPREAD
from brain_bundles.utils.seeding import derive_seed, generator_for
from brain_bundles.utils.weights_recipe import change_recipe

logger = logging.getLogger(__name__)

Values = NDArray[np.float64]
Pair = tuple[Values, Values]  # absolute errors, and deviations
Work = tuple[Mapping[str, Any], str, list[str]]  # item, source and targets
WIDTH = 2.0  # deviations on either side
COVERED = 0.95  # share of the errors that are to be within
VOXELS = 20_000  # of each subject


class Translator(Protocol):
    """A translator that can make several draws, such as :class:`~brain_bundles.inferers.VolumeTranslator`."""

    num_draws: int
    sampler: LatentSampler

    def __call__(self, inputs: torch.Tensor, network: Any, *, seeds: Sequence[int], **options: Any) -> torch.Tensor: ...


def calibrate_draws(
    fit_datalist: Sequence[Mapping[str, Any]],
    test_datalist: Sequence[Mapping[str, Any]],
    preprocessing: Preprocessing,
    *,
    sources: Sequence[str],
    targets: Sequence[str],
    translator: Translator,
    network: nn.Module,
    weights: str | Path,
    output_dir: str | Path,
    seed: int = 0,
) -> dict[str, Any]:
    """Fit what makes the spread of draws an uncertainty, score it on other subjects, and write it into the weights.

    Each subject is translated from one of its contrasts, the next one in turn, to all others that it has.

    Args:
        fit_datalist: subjects to fit to, with some of the contrasts, that no training saw.
        test_datalist: other subjects, to score on; may be empty.
        preprocessing: makes each contrast (1, D, H, W) in [0, 1] on the model's grid.
        sources, targets: contrasts to translate from and to.
        translator: makes several draws, without a calibration; one whose call names ``targets`` has numbers for each.
        network: its diffusion network.
        weights: file of the network; its recipe gets the entry ``spread``.
        output_dir: gets spread.json with the numbers.
        seed: seed of the draws, with the subject's name and the target.

    Returns:
        The content of spread.json: ``calibration``, and the scores of both lists and of the raw spread, of a translator
        of several targets by target.

    Raises:
        ValueError: if the translator makes one draw, or there is nobody to fit a target to.
    """
    if translator.num_draws < 2:
        raise ValueError(f"num_draws is {translator.num_draws}; a spread needs several, such as 8.")
    fit, test = (_in_turn(items, sources, targets) for items in (fit_datalist, test_datalist))
    if left := [name for name in targets if not any(name in made for _, _, made in fit)]:
        raise ValueError(
            f"nobody to fit the spread of the draws to: of {len(fit_datalist)} subjects none is translated to "
            f"{', '.join(left)}. Each is from the next of its contrasts in turn to the others; give more subjects."
        )
    drawn = _Drawn(preprocessing, translator, network, seed)
    samples = {"fit": drawn.samples(fit, "fit"), "test": drawn.samples(test, "test")}
    shared = {
        "num_inference_steps": translator.sampler.steps.num_inference_steps,
        "num_draws": translator.num_draws,
    }
    calibrations: dict[str, SpreadCalibration] = {}
    report: dict[str, Any] = {}
    for target in targets:
        errors, deviations = (np.concatenate(parts) for parts in zip(*samples["fit"][target], strict=True))
        calibrations[target] = SpreadCalibration(*fit_spread(errors, deviations), **shared)
        for name, by_target in samples.items():
            if pairs := by_target.get(target):
                report.setdefault(name, {})[target] = _scores(pairs, calibrations[target])
                report.setdefault(f"{name}_uncalibrated", {})[target] = _scores(pairs, None)
    if drawn.by_target:
        numbers = {name: {"scale": one.scale, "floor": one.floor} for name, one in calibrations.items()}
        report["calibration"] = {**shared, "targets": numbers}
    else:
        (target,) = targets
        report = {key: value[target] for key, value in report.items()}
        report["calibration"] = asdict(calibrations[target])
    report = finite_json(report)
    write_json(Path(output_dir) / "spread.json", report)
    change_recipe(weights, {SPREAD: report["calibration"]})
    logger.info("%s\n%s", Path(output_dir) / "spread.json", json.dumps(report, indent=4))
    return report


def _in_turn(items: Sequence[Mapping[str, Any]], sources: Sequence[str], targets: Sequence[str]) -> list[Work]:
    """Source and targets of each subject that has both: the next of its sources in turn, and all other contrasts."""
    found: list[Work] = []
    for number, item in enumerate(items):
        if there := [name for name in sources if name in item]:
            source = there[number % len(there)]
            if others := [name for name in targets if name in item and name != source]:
                found.append((item, source, others))
    return found


class _Drawn:
    """Errors of means of draws, and the deviations of the draws, at random voxels of brains."""

    def __init__(self, preprocessing: Preprocessing, translator: Translator, network: nn.Module, seed: int) -> None:
        self.preprocessing = preprocessing
        self.translator, self.network, self.seed = translator, network, seed
        self.by_target = "targets" in inspect.signature(translator.__call__).parameters

    def samples(self, work: Sequence[Work], what: str) -> dict[str, list[Pair]]:
        """Target -> errors and deviations of each subject, both (N,)."""
        found: dict[str, list[Pair]] = {}
        for item, source, targets in tqdm(work, desc=what, unit="subject", disable=None):
            subject = load_subject(item, self.preprocessing, [source, *targets])
            for name, pair in zip(targets, self._pairs(subject, source, targets), strict=True):
                found.setdefault(name, []).append(pair)
        return found

    def _pairs(self, subject: Subject, source: str, targets: Sequence[str]) -> Iterator[Pair]:
        seeds = [derive_seed(self.seed, subject.participant_id, name) for name in targets]
        given = subject.volumes[source][None, None].to(next(self.network.parameters()).device)
        options = {"targets": targets} if self.by_target else {}
        with torch.inference_mode():
            made = self.translator(given, self.network, seeds=seeds, **options)[0].cpu()
        means, deviations = made.chunk(2)
        for own, name, mean, deviation in zip(seeds, targets, means, deviations, strict=True):
            true = subject.volumes[name]
            inside = brain_mask(subject.volumes[source], true)
            error = (mean - true).abs()[inside].double()
            chosen = torch.randperm(len(error), generator=generator_for(own, "voxels"))[:VOXELS]
            yield error[chosen].numpy(), deviation[inside].double()[chosen].numpy()


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
