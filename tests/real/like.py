"""What the look of a scanner changes in translations of people: nothing given, one scan, a folder, and a regression.

    python tests/real/like.py FOLDER [--contrasts T1w FLAIR] [--people N] [--cache DIR]

``FOLDER`` is a BIDS dataset of registered, brain-extracted people. The adaptive translator that ships makes every pair
of the contrasts. The scan is that of the next person, the last one's is that of the first; the folder is everybody but
the person, or the next N. The regression is fitted on those same people, from source to target. ``DIR`` keeps the
predictions, which take the longest; empty it for other weights.

Means over people, within the brain, on the scale of the weights: PSNR (dB), SSIM, and the mean absolute difference of
the levels of the tissues from those of the person's own scan.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from itertools import permutations
from pathlib import Path

import brain_bundles
import numpy as np
import torch
from brain_bundles.data import contrast_datalist
from brain_bundles.evaluation import NetworkMethod
from brain_bundles.evaluation.pair_look import PairLook, fit_pair_look
from brain_bundles.evaluation.scan_look import ScanLook
from brain_bundles.evaluation.translation_baselines import fit_regressions
from brain_bundles.evaluation.translation_subject import Subject
from brain_bundles.metrics.translation import brain_mask, score_translation
from brain_bundles.transforms import ContrastPreprocessing
from brain_bundles.transforms.scan_segmenter import load_segmenter
from brain_bundles.transforms.tissue_medians import sure_tissues, tissue_medians
from monai.data import MetaTensor

Row = tuple[str, float, float, float]
WAYS = ("nothing", "one scan", "folder", "regression")


class People:
    """Everybody's scans, translations and tissues, on the model's grid of the first contrast."""

    def __init__(self, folder: Path, contrasts: Sequence[str], cache: Path | None) -> None:
        self.cache = cache
        self.bundle = brain_bundles.load("brain_mri_adaptive_translator", device="cpu")
        names = ("spacing", "spatial_size", "intensity_scale", "intensity_percentiles")
        settings = dict(zip(names, self.bundle.content(*names), strict=True))
        read = ContrastPreprocessing(contrasts, warn_cut=None, **settings)
        self.images: list[dict[str, MetaTensor]] = []
        self.subjects: list[Subject] = []
        for item in contrast_datalist(folder, contrasts):
            loaded = read(item)
            self.images.append({name: loaded[name] for name in contrasts if name in item})
            volumes = {name: image.as_tensor()[0] for name, image in self.images[-1].items()}
            self.subjects.append(Subject(item["participant_id"], volumes))
        self.made: dict[tuple[int, str, str], torch.Tensor] = {}
        self._segmenter = load_segmenter()
        self._tissues: dict[int, np.ndarray] = {}

    def translate(self, pairs: Sequence[tuple[str, str]]) -> None:
        """Fill ``made``: (person, source, target) -> translation (D, H, W)."""
        method: NetworkMethod | None = None
        for number, subject in enumerate(self.subjects):
            for source, target in pairs:
                if not {source, target} <= subject.volumes.keys():
                    continue
                kept = None if self.cache is None else self.cache / f"{subject.participant_id}_{source}_{target}.pt"
                if kept is None or not kept.is_file():
                    method = method or NetworkMethod(*self.bundle.content("inferer", "network"))
                    made = method(subject.volumes[source][None, None], targets=[target], seeds=[0])[0, 0]
                    if kept is not None:
                        kept.parent.mkdir(parents=True, exist_ok=True)
                        torch.save(made.half(), kept)
                self.made[number, source, target] = made if kept is None else torch.load(kept).float()

    def look(self, numbers: Sequence[int], source: str, target: str) -> PairLook:
        """The look of some people, from what was translated already."""
        known = iter([self.made[number, source, target] for number in numbers])

        def method(volume: torch.Tensor, *, targets: Sequence[str], seeds: Sequence[int]) -> torch.Tensor:
            return next(known)[None, None]

        def people_with(contrasts: Sequence[str]) -> list[Subject]:
            return [self.subjects[number] for number in numbers]

        return fit_pair_look(people_with, [(source, target)], method, made_with={}, name="the others")

    def tissues_of(self, image: MetaTensor) -> np.ndarray:
        """The segmenter's, once for each image; ScanLook asks again."""
        if id(image) not in self._tissues:
            self._tissues[id(image)] = sure_tissues(self._segmenter, image)
        return self._tissues[id(image)]


def results(people: People, source: str, target: str, limit: int | None) -> Iterator[Row]:
    """Way, PSNR, SSIM and difference of levels, of every person who has both contrasts."""
    able = [number for number, subject in enumerate(people.subjects) if {source, target} <= subject.volumes.keys()]
    for place, number in enumerate(able):
        image, made = people.images[number][source], people.made[number, source, target]
        volumes = people.subjects[number].volumes
        others = [*able[place + 1 :], *able[:place]][:limit]
        other = people.images[others[0]][target]
        looks = (
            ScanLook(other, target, people.tissues_of, name="the next person's"),
            people.look(others, source, target),
        )
        curves = [look.curve(image, source, target, made) for look in looks]
        brain = brain_mask(volumes[source], volumes[target])
        cell = (source, target)
        regression = fit_regressions((people.subjects[one] for one in others), [cell])[cell]
        found = [made, *(made if curve is None else curve(made) for curve in curves)]
        found.append(regression.predict(volumes[source], brain))
        tissues = people.tissues_of(people.images[number][target])
        own = tissue_medians(volumes[target], tissues)
        for way, volume in zip(WAYS, found, strict=True):
            scores = score_translation(volume, volumes[target], brain, ms_ssim_kernel_size=None)
            levels = tissue_medians(volume, tissues)
            apart = float(np.mean([abs(levels[name][0] - level) for name, (level, _) in own.items()]))
            yield way, scores.psnr, scores.ssim, apart


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--contrasts", nargs="+", default=["T1w", "FLAIR"])
    parser.add_argument("--people", type=int)
    parser.add_argument("--cache", type=Path)
    options = parser.parse_args()
    pairs = list(permutations(options.contrasts, 2))
    people = People(options.folder, options.contrasts, options.cache)
    people.translate(pairs)
    print("| source | target | people | look | PSNR | SSIM | levels apart |")
    print("| --- | --- | ---: | --- | ---: | ---: | ---: |", flush=True)
    for source, target in pairs:
        rows = list(results(people, source, target, options.people))
        for way in WAYS:
            mine = np.array([row[1:] for row in rows if row[0] == way])
            psnr, ssim, apart = mine.mean(0)
            print(f"| {source} | {target} | {len(mine)} | {way} | {psnr:.2f} | {ssim:.3f} | {apart:.3f} |", flush=True)


if __name__ == "__main__":
    main()
