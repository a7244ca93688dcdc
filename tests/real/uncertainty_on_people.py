"""How far the spread of several draws can be trusted on people: coverage and width, set by set.

    python tests/real/uncertainty_on_people.py REAL OUTPUT_DIR [--bundle slice2volume] [--overlay FILE] [--ckpt_dir DIR]
        [--draws 8] [--most 4] [--source T1w]

Draws of a translator, with the calibration in the recipe of its weights, as in ``translators_on_people.py``; those of
the adaptive one to every target from ``--source``. Of each set at most ``--most`` people are read. 95 % of the errors
should be within two deviations.
"""

from __future__ import annotations

import argparse
import inspect
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from brain_bundles.data import contrast_datalist
from brain_bundles.evaluation.draw_calibration import score_spread
from brain_bundles.evaluation.translation_subject import Subject, load_subject
from brain_bundles.metrics.translation import brain_mask
from population_realism import lay_out
from torch import nn
from tqdm import tqdm
from translators_on_people import CONTRASTS, NETWORKS, SETS, Translator, set_of

COLUMNS = {
    "coverage": ".3f",
    "mean_width": ".3f",
    "mean_absolute_error": ".4f",
    "width_by_error": ".2f",
    "rank_correlation": ".3f",
}


def people(dataset: Path, translator: Translator, source: str, most: int) -> Iterator[Subject]:
    """People who have the source and a target of the weights, at most ``most`` of each set."""
    targets = [target for given, target in translator.cells if given == source]
    seen = dict.fromkeys(SETS, 0)
    for item in contrast_datalist(dataset, CONTRASTS):
        if str(item["participant_id"]).startswith("sub-oasis") or source not in item or not {*targets} & item.keys():
            continue
        subject = load_subject(item, translator.read, [source, *targets])
        seen[set_of(subject)] += 1
        if seen[set_of(subject)] <= most:
            yield subject


def scores_of(
    subject: Subject, translator: Translator, network: nn.Module, source: str
) -> Iterator[tuple[str, dict[str, float]]]:
    """Each target of one person, and the scores of the deviation of its translation."""
    given = subject.volumes[source]
    targets = [name for name in subject.volumes if (source, name) in translator.cells]
    takes_targets = "targets" in inspect.signature(translator.inferer.__call__).parameters
    options = {"targets": targets} if takes_targets else {}
    with torch.inference_mode():
        made = translator.inferer(given[None, None], network, seeds=[0] * len(targets), **options)[0]
    for target, mean, deviation in zip(targets, *made.chunk(2), strict=True):
        true = subject.volumes[target]
        inside = brain_mask(given, true)
        errors = (mean - true).abs()[inside].double().numpy()
        yield target, score_spread(errors, deviation[inside].double().numpy())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("real", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--bundle", choices=sorted(NETWORKS), default="slice2volume")
    parser.add_argument("--overlay")
    parser.add_argument("--ckpt_dir", type=Path)
    parser.add_argument("--draws", type=int, default=8)
    parser.add_argument("--most", type=int, default=4)
    parser.add_argument("--source", help="by default that of the weights, or T1w")
    given = parser.parse_args()
    given.output.mkdir(parents=True, exist_ok=True)
    dataset = lay_out(given.real, given.output / "people", CONTRASTS)
    translator = Translator(given.bundle, given.overlay, given.ckpt_dir, {"num_draws": given.draws})
    network, default = translator.bundle.content("network", "source")
    source = given.source or default
    found: dict[tuple[str, str], list[dict[str, float]]] = {}
    for subject in tqdm(people(dataset, translator, source, given.most)):
        for target, scores in scores_of(subject, translator, network.eval(), source):
            found.setdefault((set_of(subject), target), []).append(scores)
    print("| set | direction | people | " + " | ".join(name.replace("_", " ") for name in COLUMNS) + " |")
    print("| --- | --- |" + " --- |" * (1 + len(COLUMNS)))
    for (name, target), rows in sorted(found.items()):
        cells = [format(float(np.mean([row[key] for row in rows])), form) for key, form in COLUMNS.items()]
        print(f"| {SETS[name]} | {source} to {target} | {len(rows)} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
