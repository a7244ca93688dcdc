"""How good a translator is on people: every direction of every real data set, beside what needs no network.

    python tests/real/translators_on_people.py REAL OUTPUT_DIR [--bundle slice2volume] [--overlay FILE]
        [--ckpt_dir DIR] [--option KEY VALUE ...]

Contrasts are on the grid and the intensity scale of the weights: each target is scaled by its own median, a prediction
never is. Each regression is the mean target intensity given that of the source: of the other people of the set, and of
the people of all other sets. ``DIR`` has the weights, by default those that ship; an overlay is a file of configs, such
as flair.json; an option is a key of configs/inference.json. Predictions are kept in OUTPUT_DIR: empty it for other
weights.
"""

from __future__ import annotations

import argparse
import ast
import json
from collections.abc import Iterable, Iterator, Mapping
from itertools import permutations
from pathlib import Path
from typing import Any

import brain_bundles
import numpy as np
import torch
import torch.nn.functional as F
from brain_bundles.data import contrast_datalist
from brain_bundles.evaluation import NetworkMethod
from brain_bundles.evaluation.contrast_switch import intensity_quantiles, nearest_contrast
from brain_bundles.evaluation.translation_baselines import fit_regressions
from brain_bundles.evaluation.translation_subject import Subject, load_subject
from brain_bundles.metrics.translation import brain_mask, score_translation
from brain_bundles.transforms import ContrastPreprocessing
from brain_bundles.utils import load_weights, read_recipe
from population_realism import lay_out
from tqdm import tqdm

CONTRASTS = ["T1w", "T2w", "FLAIR", "ce-gadolinium_T1w"]
SETS = {"older": "15 older adults", "brats": "2 tumours", "ms": "sclerosis", "stroke": "stroke"}
RIM_MM = 4.0
COPY, OWN, OTHER = "copy", "regression, other people of the set", "regression, people of the other sets"
SPADE, MODEL, SLICES, VOLUMES = "MS-SPADE alone", "adaptive translator", "slice model", "volumetric model"
NETWORKS = {"adaptive": (SPADE, MODEL), "slice2volume": (SLICES, VOLUMES)}
Rows = list[dict[str, Any]]


def set_of(subject: Subject) -> str:
    """Which of ``SETS`` a person is of."""
    return next(name for name in SETS if subject.participant_id.startswith(f"sub-{name}"))


class Translator:
    """A translator by the weights in a folder, beside what is left without its diffusion or its volumetric layers."""

    def __init__(self, bundle: str, overlay: str | None, ckpt_dir: Path | None, options: Mapping[str, Any]) -> None:
        weights = {} if ckpt_dir is None else {"ckpt_dir": str(ckpt_dir)}
        overlays = [overlay] if overlay else []
        name = f"brain_mri_{bundle}_translator"
        self.bundle = brain_bundles.load(name, overlays=overlays, device="cpu", **options, **weights)
        names = ("spacing", "spatial_size", "intensity_scale", "intensity_percentiles")
        *settings, ckpt, self.inferer = self.bundle.content(*names, "ckpt_dir", "inferer")
        self.spacing, self.ckpt_dir = settings[0], Path(ckpt)
        self.read = ContrastPreprocessing(CONTRASTS, warn_cut=None, **dict(zip(names, settings, strict=True)))
        self.methods = dict(self._adaptive() if bundle == "adaptive" else self._slice2volume())

    def _adaptive(self) -> Iterator[tuple[str, NetworkMethod]]:
        (known,) = self.bundle.content("contrasts")
        self.cells = list(permutations([name for name in CONTRASTS if name in known], 2))
        yield SPADE, NetworkMethod(type(self.inferer)(self.inferer.sampler, diffusion=False), torch.nn.Identity())
        if (self.ckpt_dir / "model.pt").is_file():
            yield MODEL, NetworkMethod(self.inferer, *self.bundle.content("network"))

    def _slice2volume(self) -> Iterator[tuple[str, NetworkMethod]]:
        network, source, target = self.bundle.content("network", "source", "target")
        self.cells = [(source, target)]
        path = self.ckpt_dir / "slice_model.pt"
        if read_recipe([path]).get("target") == target:
            yield SLICES, NetworkMethod(self.inferer, load_weights(network.to_slices(), path, without=".volumetric"))
        yield VOLUMES, NetworkMethod(self.inferer, network)

    def translate(self, subject: Subject, source: str, folder: Path) -> dict[str, dict[str, torch.Tensor]]:
        """Method -> target -> (D, H, W), from the folder if it is there."""
        found: dict[str, dict[str, torch.Tensor]] = {}
        wanted = [target for given, target in self.cells if given == source and target in subject.volumes]
        if not wanted:
            return {}
        for method, call in self.methods.items():
            path = folder / f"{subject.participant_id}_{source}_{method.replace(' ', '_')}.pt"
            if not path.is_file():
                made = call(subject.volumes[source][None, None], targets=wanted, seeds=[0] * len(wanted))
                torch.save({name: one[0].half() for name, one in zip(wanted, made, strict=True)}, path)
            found[method] = {name: one.float() for name, one in torch.load(path).items()}
        return found


def rows_of(subjects: list[Subject], translator: Translator, folder: Path) -> Iterator[dict[str, Any]]:
    """The scores of every method in every direction of every person."""
    cells = list(permutations(CONTRASTS, 2))
    for subject in tqdm(subjects):
        mates = [one for one in subjects if one is not subject and set_of(one) == set_of(subject)]
        strangers = [one for one in subjects if set_of(one) != set_of(subject)]
        regressions = {OWN: fit_regressions(mates, cells), OTHER: fit_regressions(strangers, cells)}
        for source, volume in subject.volumes.items():
            networks = translator.translate(subject, source, folder)
            for target, true in subject.volumes.items():
                if (source, target) not in translator.cells:
                    continue
                brain = brain_mask(volume, true)
                made = {COPY: volume}
                for name, fitted in regressions.items():
                    if (source, target) in fitted:
                        made[name] = fitted[source, target].predict(volume, brain)
                made |= {name: targets[target] for name, targets in networks.items() if target in targets}
                for method, prediction in made.items():
                    about = {"set": set_of(subject), "method": method, "source": source, "target": target}
                    yield about | scores_of(subject, prediction, true, brain, translator.spacing)


def scores_of(
    subject: Subject, prediction: torch.Tensor, true: torch.Tensor, brain: torch.Tensor, spacing: float
) -> dict[str, Any]:
    """PSNR (dB) and SSIM in the brain, PSNR at its rim, within it and in lesions, and the nearest contrast."""
    scores = score_translation(prediction, true, brain, ms_ssim_kernel_size=None)
    size = 2 * round(RIM_MM / spacing) + 1
    rim = F.max_pool3d((~brain).float()[None, None], size, 1, size // 2)[0, 0] > 0
    squares = (prediction.clamp(0, 1) - true).square()
    lesion = None if subject.tumour is None else subject.tumour & brain
    quantiles = intensity_quantiles(prediction.clamp(0, 1), subject.brain)
    return {
        "psnr": scores.psnr,
        "ssim": scores.ssim,
        "masked_volume_ssim": scores.masked_volume_ssim,
        "rim": _psnr(squares, brain & rim),
        "within": _psnr(squares, brain & ~rim),
        "lesion": None if lesion is None or not bool(lesion.any()) else _psnr(squares, lesion),
        "nearest": nearest_contrast(quantiles, subject.quantiles),
    }


def _psnr(squares: torch.Tensor, mask: torch.Tensor) -> float:
    return -10 * float(squares[mask].mean().log10())


def report(rows: Rows) -> str:
    """The tables: by set; at the rim, within and in lesions; by direction; the contrasts that predictions look like."""
    found_in = {row["method"] for row in rows}
    methods = [COPY, OWN, OTHER, *(name for names in NETWORKS.values() for name in names if name in found_in)]
    lines = ["| method | " + " | ".join(SETS.values()) + " |", "| --- |" + " --- |" * len(SETS)]
    for title, keys in (("", ("psnr", "ssim")), (", rim, within, lesions", ("rim", "within", "lesion"))):
        for method in methods:
            cells = []
            for name in SETS:
                mine = [row for row in rows if row["set"] == name and row["method"] == method]
                values = {key: [row[key] for row in mine if row[key] is not None] for key in keys}
                shown = [f"{np.mean(found):.{3 if key == 'ssim' else 2}f}" for key, found in values.items() if found]
                cells.append(", ".join(shown))
            lines.append(f"| {method}{title} | " + " | ".join(cells) + " |")
    lines += ["", "| set | direction | " + " | ".join(methods) + " |", "| --- | --- |" + " --- |" * len(methods)]
    for name, source, target in dict.fromkeys((row["set"], row["source"], row["target"]) for row in rows):
        cell = [row for row in rows if (row["set"], row["source"], row["target"]) == (name, source, target)]
        found = {method: [row["psnr"] for row in cell if row["method"] == method] for method in methods}
        shown = [f"{np.mean(one):.2f}" if one else "" for one in found.values()]
        lines.append(f"| {name} | {source} to {target} | " + " | ".join(shown) + " |")
    for method in methods:
        mine = [row for row in rows if row["set"] == "brats" and row["method"] == method]
        right = sum(row["nearest"] == row["target"] for row in mine)
        masked = np.mean([row["masked_volume_ssim"] for row in mine]) if mine else float("nan")
        lines.append(
            f"\n{method}: {right} of {len(mine)} brains with tumours are nearest to the contrast asked for; SSIM of "
            f"masked volumes {masked:.4f}"
        )
    return "\n".join(lines)


def scans_nearest(subjects: list[Subject]) -> str:
    """How often scans of one person, in place of predictions, are nearest to the same contrast of another."""
    groups = {
        "the other brain with a tumour": [one for one in subjects if set_of(one) == "brats"],
        "another person with every contrast": [one for one in subjects if len(one.volumes) == len(CONTRASTS)],
    }
    lines = []
    for name, people in groups.items():
        right = [
            nearest_contrast(quantiles, other.quantiles) == contrast
            for one, other in permutations(people, 2)
            for contrast, quantiles in one.quantiles.items()
        ]
        lines.append(f"\nscans of {name}: {sum(right)} of {len(right)}")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("real", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--bundle", choices=list(NETWORKS), default="adaptive")
    parser.add_argument("--overlay")
    parser.add_argument("--ckpt_dir", type=Path)
    parser.add_argument("--option", nargs=2, action="append", default=[], metavar=("KEY", "VALUE"))
    given = parser.parse_args()
    given.output.mkdir(parents=True, exist_ok=True)
    translator = Translator(given.bundle, given.overlay, given.ckpt_dir, options_of(given.option))
    subjects = people(given.real, given.output, translator)
    rows = list(rows_of(subjects, translator, given.output))
    (given.output / "rows.json").write_text(json.dumps(rows, indent=1))
    print(report(rows) + "\n" + scans_nearest(subjects))


def people(real: Path, output: Path, translator: Translator) -> list[Subject]:
    """All people with more than one contrast, and masks of lesions where there are some."""
    lesions, subjects = dict(lesion_masks(real)), []
    for item in contrast_datalist(lay_out(real, output / "people", CONTRASTS), CONTRASTS):
        name = str(item["participant_id"])
        if not name.startswith("sub-oasis"):  # one contrast
            known = {"segmentation": lesions[name]} if name in lesions else {}
            subjects.append(load_subject({**item, **known}, translator.read, CONTRASTS, tumour_labels=range(1, 100)))
    return subjects


def lesion_masks(real: Path) -> Iterator[tuple[str, str]]:
    """Participants with a mask of their lesions, and its path."""
    for path in sorted((real / "brats").rglob("*seg.nii.gz")):
        yield "sub-brats" + path.parent.name[-5:].strip("-").replace("-", ""), str(path)
    for path in sorted((real / "ms" / "derivatives" / "lesions").rglob("*dseg.nii.gz")):
        yield "sub-ms" + path.parents[1].name.removeprefix("sub-"), str(path)


def options_of(pairs: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """Keys and values of a command line; a value that is no Python literal is text."""
    options: dict[str, Any] = {}
    for key, text in pairs:
        try:
            options[key] = ast.literal_eval(text)
        except (ValueError, SyntaxError):
            options[key] = text
    return options


if __name__ == "__main__":
    main()
