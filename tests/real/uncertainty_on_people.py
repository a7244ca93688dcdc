"""How far the spread of several draws can be trusted on people: coverage and width, set by set.

    python tests/real/uncertainty_on_people.py REAL OUTPUT_DIR [--overlay FILE] [--ckpt_dir DIR] [--draws 8] [--most 4]

The slice translator's draws, with the calibration in the recipe of its weights, as in ``translators_on_people.py``. Of
each set at most ``--most`` people are read. 95 % of the errors should be within two deviations.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from brain_bundles.data import contrast_datalist
from brain_bundles.evaluation.draw_calibration import score_spread
from brain_bundles.evaluation.translation_subject import Subject, load_subject
from brain_bundles.metrics.translation import brain_mask
from population_realism import lay_out
from tqdm import tqdm
from translators_on_people import CONTRASTS, SETS, Translator, set_of

COLUMNS = {
    "coverage": ".3f",
    "mean_width": ".3f",
    "mean_absolute_error": ".4f",
    "width_by_error": ".2f",
    "rank_correlation": ".3f",
}


def people(dataset: Path, translator: Translator, most: int) -> Iterator[Subject]:
    """People who have both contrasts of the weights, at most ``most`` of each set."""
    ((source, target),) = translator.cells
    seen = dict.fromkeys(SETS, 0)
    for item in contrast_datalist(dataset, CONTRASTS):
        if not {source, target} <= item.keys() or str(item["participant_id"]).startswith("sub-oasis"):
            continue
        subject = load_subject(item, translator.read, [source, target])
        seen[set_of(subject)] += 1
        if seen[set_of(subject)] <= most:
            yield subject


def scores_of(subject: Subject, translator: Translator) -> dict[str, float]:
    """Scores of the deviation of one person's translation."""
    ((source, target),) = translator.cells
    given, true = subject.volumes[source], subject.volumes[target]
    network = translator.config.get_parsed_content("network").eval()
    with torch.inference_mode():
        mean, deviation = translator.inferer(given[None, None], network, seeds=[0])[0]
    inside = brain_mask(given, true)
    return score_spread((mean - true).abs()[inside].double().numpy(), deviation[inside].double().numpy())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("real", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--overlay")
    parser.add_argument("--ckpt_dir", type=Path)
    parser.add_argument("--draws", type=int, default=8)
    parser.add_argument("--most", type=int, default=4)
    given = parser.parse_args()
    given.output.mkdir(parents=True, exist_ok=True)
    dataset = lay_out(given.real, given.output / "people", CONTRASTS)
    translator = Translator("slice2volume", given.overlay, given.ckpt_dir, {"num_draws": given.draws})
    found: dict[str, list[dict[str, float]]] = {name: [] for name in SETS}
    for subject in tqdm(people(dataset, translator, given.most)):
        found[set_of(subject)].append(scores_of(subject, translator))
    print("| set | people | " + " | ".join(name.replace("_", " ") for name in COLUMNS) + " |")
    print("| --- |" + " --- |" * (1 + len(COLUMNS)))
    for name, rows in found.items():
        if rows:
            cells = [format(float(np.mean([row[key] for row in rows])), form) for key, form in COLUMNS.items()]
            print(f"| {SETS[name]} | {len(rows)} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
