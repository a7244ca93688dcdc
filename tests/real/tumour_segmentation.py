"""What a segmentation of tumours loses when one of its four contrasts is a translation, as in BraSyn.

    python tests/real/tumour_segmentation.py PHANTOMS REAL OUTPUT_DIR [--steps 600] [--seeds 0 1 2]
        [--channels 16 32 64 128] [--ckpt_dir DIR]

A UNet learns the whole tumour from the true contrasts of phantoms (`phantom --suffixes T1w,T2w,FLAIR,ce-gadolinium_T1w
--tumour_probability 1 ...`, split "train"). It then segments those of the split "test" and the patients with a mask:
from the true contrasts, and with each contrast missing. What is missing is translated from each other contrast, made by
a regression of intensities that is fitted to the phantoms of the training, or left black. Dice, mean over the sources
of the missing contrast and over people; mean and standard deviation over the seeds. OUTPUT_DIR gets the networks, the
translations, tumour_segmentation.md and .json; a later start goes on with the next seed.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from brain_bundles.data import contrast_datalist
from brain_bundles.evaluation.segmentation_scores import dice
from brain_bundles.evaluation.tables import finite_json, table
from brain_bundles.evaluation.translation_baselines import Regressions, fit_regressions
from brain_bundles.evaluation.translation_subject import Subject, load_subject, with_segmentations
from brain_bundles.metrics.translation import brain_mask
from brain_bundles.utils.atomic import atomic_file, atomic_write, write_json
from brain_bundles.utils.seeding import derive_seed
from monai.losses import DiceCELoss
from monai.networks.nets import UNet
from monai.transforms import Compose, RandAdjustContrastd, RandFlipd, RandScaleIntensityd
from torch import nn
from tqdm import tqdm
from translators_on_people import CONTRASTS, Translator, people

TUMOUR_LABELS = (6, 7, 8)  # of a phantom: oedema, core, enhancing
TRUE, REGRESSION, BLACK = "true", "regression", "black"
NOTHING_MISSING = "none"
LEARNING_RATE = 1e-2  # with 1e-3 balls were not found after 200 steps
Volumes = Mapping[str, torch.Tensor]


def stacked(volumes: Volumes) -> torch.Tensor:
    """Contrasts (1, C, D, H, W) in the order of the network's input."""
    return torch.stack([volumes[contrast] for contrast in CONTRASTS])[None]


def augmentation() -> Compose:
    """Flips, and for each contrast another brightness and gamma, as scanners differ."""
    keys = ["image", "label"]
    return Compose(
        [
            RandFlipd(keys, prob=0.5, spatial_axis=0),
            RandScaleIntensityd("image", factors=0.2, prob=0.8, channel_wise=True),
            RandAdjustContrastd("image", prob=0.5, gamma=(0.7, 1.4)),
        ]
    )


def train(subjects: Sequence[Subject], path: Path, *, channels: Sequence[int], steps: int, seed: int) -> nn.Module:
    """Train the segmentation of tumours on true contrasts, or read what was trained.

    Args:
        subjects: with all contrasts and a tumour.
        path: file of the weights.
        channels: of the UNet.
        steps: of one subject each, with a learning rate that falls to 0.
        seed: seed of weights, order and augmentation.
    """
    torch.manual_seed(derive_seed(seed, "weights"))
    network = UNet(3, len(CONTRASTS), 1, channels, [2] * (len(channels) - 1), num_res_units=1)
    if path.is_file():
        network.load_state_dict(torch.load(path, weights_only=True))
        return network.eval()
    optimizer = torch.optim.Adam(network.parameters(), lr=LEARNING_RATE)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    loss_function, augment = DiceCELoss(sigmoid=True), augmentation().set_random_state(seed=seed)
    rng = np.random.default_rng(seed)
    items = [{"image": stacked(one.volumes)[0], "label": one.tumour[None].float()} for one in subjects]
    for _ in (bar := tqdm(range(steps), desc=path.stem)):
        item = augment(items[int(rng.integers(len(items)))])
        loss = loss_function(network(item["image"][None].as_tensor()), item["label"][None].as_tensor())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        scheduler.step()
        bar.set_postfix(loss=f"{loss.item():.3f}")
    with atomic_file(path) as file:
        torch.save(network.state_dict(), file)
    return network.eval()


def inputs(
    subject: Subject, translations: Mapping[str, Mapping[str, Volumes]], regressions: Regressions
) -> Iterator[tuple[str, str, Volumes]]:
    """What is missing, what is there in its place, and the contrasts.

    Args:
        subject: with all contrasts.
        translations: source -> method -> target -> (D, H, W).
        regressions: by source and target.
    """
    yield NOTHING_MISSING, TRUE, subject.volumes
    for target, true in subject.volumes.items():
        yield target, BLACK, {**subject.volumes, target: torch.zeros_like(true)}
        for source, volume in subject.volumes.items():
            if source == target:
                continue
            brain = brain_mask(volume, true)
            yield target, REGRESSION, {**subject.volumes, target: regressions[source, target].predict(volume, brain)}
            for method, made in translations[source].items():
                yield target, method, {**subject.volumes, target: made[target] * (volume > 0)}


@torch.inference_mode()
def segmented(network: nn.Module, volumes: Volumes) -> np.ndarray:
    """The tumour (D, H, W) as the network finds it."""
    return (network(stacked(volumes))[0, 0] > 0).numpy()


def report(rows: Sequence[Mapping[str, Any]]) -> str:
    """A line for each group of people and missing contrast, a column for each thing in its place."""
    kinds = list(dict.fromkeys(row["given"] for row in rows if row["given"] != TRUE))
    lines = []
    for group in dict.fromkeys(row["group"] for row in rows):
        mine = [row for row in rows if row["group"] == group]
        for missing in dict.fromkeys(row["missing"] for row in mine):
            cells = []
            for kind in (TRUE, *kinds):
                found = [row for row in mine if (row["missing"], row["given"]) == (missing, kind)]
                seeds = dict.fromkeys(row["seed"] for row in found)
                means = [np.mean([row["dice"] for row in found if row["seed"] == seed]) for seed in seeds]
                spread = f" ± {np.std(means, ddof=1):.3f}" if len(means) > 1 else ""
                cells.append(f"{np.mean(means):.3f}{spread}" if means else "")
            number = len({row["person"] for row in mine})
            lines.append([group, str(number), missing, *cells])
    return "\n".join(table(["tested on", "N", "missing", TRUE, *kinds], lines))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("phantoms", type=Path)
    parser.add_argument("real", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--channels", type=int, nargs="+", default=[16, 32, 64, 128])
    parser.add_argument("--ckpt_dir", type=Path)
    given = parser.parse_args()
    given.output.mkdir(parents=True, exist_ok=True)
    translator = Translator("adaptive", None, given.ckpt_dir, {})
    train_set, test_set = (phantoms(given.phantoms, split, translator) for split in ("train", "test"))
    patients = [
        one
        for one in people(given.real, given.output, translator)
        if one.tumour is not None and one.participant_id.startswith("sub-brats")
    ]
    regressions = fit_regressions(train_set, translator.cells)
    rows = []
    for seed in given.seeds:
        path = given.output / f"seed_{seed}.pt"
        network = train(train_set, path, channels=given.channels, steps=given.steps, seed=seed)
        for group, subjects in (("phantoms", test_set), ("people", patients)):
            for subject in tqdm(subjects, desc=group):
                made = {one: translator.translate(subject, one, given.output) for one in subject.volumes}
                for missing, kind, volumes in inputs(subject, made, regressions):
                    found = dice(segmented(network, volumes), subject.tumour.numpy())
                    row = {"seed": seed, "group": group, "person": subject.participant_id}
                    rows.append({**row, "missing": missing, "given": kind, "dice": found})
        write_json(given.output / "tumour_segmentation.json", finite_json(rows))
        atomic_write(given.output / "tumour_segmentation.md", report(rows))
    print(report(rows))


def phantoms(dataset: Path, split: str, translator: Translator) -> list[Subject]:
    """Phantoms of a split with a tumour and all contrasts."""
    items = with_segmentations(contrast_datalist(dataset, CONTRASTS, split=split), dataset)
    subjects = (load_subject(item, translator.read, CONTRASTS, TUMOUR_LABELS) for item in tqdm(items, desc=split))
    return [one for one in subjects if one.tumour is not None and one.tumour.any() and len(one.volumes) == 4]


if __name__ == "__main__":
    main()
