"""What are generated brains worth for a training? A small segmenter learns from them, from phantoms, or from both.

    python tests/benchmarks/train_on_synthetic.py PHANTOMS GENERATED OUT [--real FOLDER] [--minutes 10] [--seeds 0 1 2]
        [--num 200] [--num_test 60] [--channels 8 16 32 32 32] [--bundle brain_mri_segmenter]

TSTR trains on generated brains and is tested on phantoms (train on synthetic, test on real, where R is phantoms); TRTR
trains on phantoms, TRTR+S on both. The network, its loss, its optimiser and its augmentation are those of the
segmenter's train.json with fewer channels. Each training takes the same minutes of processor time, on a GPU of time.

PHANTOMS is a BIDS dataset with a split and with segmentations (`phantom --anatomies ... --freesurfer_labels True`),
GENERATED one of the generator; the segmenter of the collection, the instrument, makes its labels. --real is one with
segmentations of people, for a test alone. Dice is on the network's grid, the mean over the structures that a scan has,
without borders that follow the intensities. OUT gets train_on_synthetic.md and .json; a later start goes on, a training
within a minute of where it stopped.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from brain_bundles.data import bids_datalist, segmentation_datalist
from brain_bundles.data.brain_classes import BRAIN_CLASSES, CLASS_INDEX
from brain_bundles.data.read_image import read_image
from brain_bundles.data.rendered import ArrayImage
from brain_bundles.evaluation.segmentation_scores import dice
from brain_bundles.evaluation.tables import finite_json, table
from brain_bundles.transforms.scan_segmenter import load_segmenter
from brain_bundles.utils.atomic import atomic_file, atomic_write, write_json
from brain_bundles.utils.seeding import derive_seed
from brain_bundles.zoo.find_bundle import find_bundle
from monai.bundle import ConfigParser
from torch import nn
from tqdm import tqdm

TRAININGS = {"TSTR": ("generated",), "TRTR": ("phantoms",), "TRTR+S": ("phantoms", "generated")}
SHOWN = ("cortex", "white_matter", "lateral_ventricle", "hippocampus", "putamen")
MEAN = "mean"  # over all structures but lesions
KEEP_EVERY_S = 60.0
Item = Mapping[str, torch.Tensor]  # image (1, D, H, W) float16, label (1, D, H, W) uint8


@dataclass(frozen=True)
class Parts:
    """What a training takes from the segmenter's config, and with which keys in the place of its own."""

    config: Path
    keys: Mapping[str, Any]

    def get(self, *names: str) -> list[Any]:
        """New objects of the config by their ids, one parse for all."""
        parser = ConfigParser()
        parser.read_config(str(self.config))
        for key, value in self.keys.items():
            parser[key] = value
        return [parser.get_parsed_content(name) for name in names]


def prepare(parts: Parts, items: Sequence[Mapping[str, Any]], folder: Path) -> list[Path]:
    """Image and classes of each item on the network's grid, kept as files; the instrument labels what has none."""
    (preprocessing,) = parts.get("image_preprocessing")
    paths = []
    for item in tqdm(items, desc=f"prepare {folder.name}", unit="scan"):
        name = "_".join(str(item[key]) for key in ("participant_id", "session_id") if item.get(key))
        paths.append(folder / f"{name}.pt")
        if paths[-1].is_file():
            continue
        label = item.get("label") or instrument(item["image"])
        found = preprocessing({"image": item["image"], "label": label})
        with atomic_file(paths[-1]) as file:
            torch.save({"image": found["image"].as_tensor().half(), "label": found["label"].as_tensor().byte()}, file)
    return paths


def instrument(path: str) -> ArrayImage:
    """FreeSurfer's numbers of a brain by the segmenter of the collection."""
    image = read_image(path)
    found, _ = load_segmenter().with_scan(image.voxels, image.affine, minimum_quality=0.0)
    return ArrayImage(found.numbers.astype(np.float32), image.affine, str(path))


def batches(sets: Sequence[Sequence[Item]], augment: Any, seed: int, start: int) -> Iterator[tuple[torch.Tensor, ...]]:
    """Augmented items, from step ``start`` on; a step depends on the seed and its number. Sets take turns by chance."""
    step = start
    while True:
        rng = np.random.default_rng(derive_seed(seed, step))
        of_set = sets[int(rng.integers(len(sets)))]
        item = of_set[int(rng.integers(len(of_set)))]
        augment.set_random_state(seed=int(rng.integers(2**31)))
        made = augment({"image": item["image"].float(), "label": item["label"].float()})
        yield made["image"][None], made["label"][None]
        step += 1


def train(
    parts: Parts, sets: Sequence[Sequence[Item]], folder: Path, *, minutes: float, seed: int
) -> tuple[nn.Module, int]:
    """Train for some minutes of processor time, or go on; the network and its number of steps."""
    torch.manual_seed(derive_seed(seed, "weights"))
    names = (
        "network",
        "optimizer",
        "train::trainer::loss_function",
        "train::inferer",
        "train::preprocessing",
        "device",
    )
    network, optimizer, loss_function, inferer, augment, device = parts.get(*names)
    rates = [group["lr"] for group in optimizer.param_groups]
    step, spent, path = 0, 0.0, folder / "checkpoint.pt"
    if path.is_file():
        kept = torch.load(path, weights_only=True, map_location=device)
        network.load_state_dict(kept["network"])
        optimizer.load_state_dict(kept["optimizer"])
        step, spent = kept["step"], kept["spent"]

    def keep() -> None:
        states = {"network": network.state_dict(), "optimizer": optimizer.state_dict()}
        with atomic_file(path) as file:
            torch.save({**states, "step": step, "spent": spent}, file)

    network.train()
    bar = tqdm(total=round(minutes * 60), initial=round(spent), desc=folder.name, unit="s")
    # Other work on the processor does not count; a GPU has no such clock.
    clock = time.process_time if torch.device(device).type == "cpu" else time.perf_counter
    began, last = clock() - spent, spent
    for image, label in batches(sets, augment, seed, step):
        spent = clock() - began
        if spent >= 60 * minutes:
            break
        if spent - last > KEEP_EVERY_S:
            keep()
            last = spent
        part = spent / (60 * minutes)
        for group, rate in zip(optimizer.param_groups, rates, strict=True):
            group["lr"] = rate * min(1.0, (step + 1) / 50) * 0.5 * (1.0 + math.cos(math.pi * part))
        loss = loss_function(inferer(image.to(device), network), label.to(device))
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        step += 1
        bar.n = round(spent)
        bar.set_postfix(step=step, loss=f"{loss.item():.3f}")
    bar.close()
    keep()
    return network.eval(), step


def score(parts: Parts, network: nn.Module, paths: Sequence[Path]) -> dict[str, float]:
    """Mean Dice over scans of each structure, and of the mean over the structures of a scan."""
    inferer, device = parts.get("validate::inferer", "device")
    rows = []
    for path in paths:
        item = torch.load(path, weights_only=True)
        with torch.inference_mode():
            found = inferer(item["image"][None].float().to(device), network)[0].argmax(0).cpu().numpy()
        label = item["label"][0].numpy()
        there = [
            name for name, one in BRAIN_CLASSES.items() if one.tissue != "lesion" and (label == CLASS_INDEX[name]).any()
        ]
        row = {name: dice(found == CLASS_INDEX[name], label == CLASS_INDEX[name]) for name in there}
        rows.append({**row, MEAN: float(np.mean(list(row.values())))} if row else {})
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: float(np.mean([row[name] for row in rows if name in row])) for name in names}


def report(results: Sequence[Mapping[str, Any]], about: Mapping[str, Any]) -> str:
    """A row for each training and test: mean and standard deviation over the seeds."""
    lines = []
    for test in dict.fromkeys(test for one in results for test in one["dice"]):
        for name in dict.fromkeys(one["training"] for one in results):
            own = [one for one in results if one["training"] == name]
            cells = []
            for structure in (MEAN, *SHOWN):
                values = [one["dice"][test][structure] for one in own if structure in one["dice"][test]]
                spread = f" ± {np.std(values, ddof=1):.3f}" if len(values) > 1 else ""
                cells.append(f"{np.mean(values):.3f}{spread}" if values else "n/a")
            lines.append([name, test, str(len(own)), f"{np.mean([one['steps'] for one in own]):.0f}", *cells])
    header = ["training", "test", "seeds", "steps", MEAN, *(name.replace("_", " ") for name in SHOWN)]
    text = f"Dice after {about['minutes']:g} minutes of processor time; {about['sizes']}; channels {about['channels']}."
    return "\n".join([text, "", *table(header, lines)])


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("phantoms")
    parser.add_argument("generated")
    parser.add_argument("out", type=Path)
    parser.add_argument("--real")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seeds", type=int, nargs="+", default=(0, 1, 2))
    parser.add_argument("--num", type=int, default=200, help="brains of each set for a training, the first ones")
    parser.add_argument("--num_test", type=int, default=60)
    parser.add_argument("--channels", type=int, nargs="+", default=(8, 16, 32, 32, 32))
    parser.add_argument("--spacing", type=float, default=2.0)
    parser.add_argument("--spatial_size", type=int, nargs=3, default=(80, 96, 80))
    parser.add_argument("--bundle", default="brain_mri_segmenter")
    arguments = parser.parse_args(words)
    keys = {
        "bundle_root": str(find_bundle(arguments.bundle)),
        "spacing": arguments.spacing,
        "spatial_size": list(arguments.spatial_size),
        "surroundings_probability": 0.0,  # what surrounds a brain: these have been extracted
        "network_def::channels": list(arguments.channels),
        "network_def::strides": [2] * (len(arguments.channels) - 1),
    }
    parts, out = Parts(find_bundle(arguments.bundle) / "configs" / "train.json", keys), arguments.out
    settings = {"keys": keys, "num": arguments.num, "minutes": arguments.minutes}
    before = json.loads(path.read_text()) if (path := out / "settings.json").is_file() else settings
    if before != settings:
        raise SystemExit(f"{out} has trainings of other settings: {before}, now {settings}; give another folder.")
    write_json(out / "settings.json", settings)

    lists = {
        "phantoms": segmentation_datalist(arguments.phantoms, ["T1w"], "train")[: arguments.num],
        "generated": bids_datalist(arguments.generated, "T1w", covariates=())[: arguments.num],
    }
    tests = {"phantoms": segmentation_datalist(arguments.phantoms, ["T1w"], "test")[: arguments.num_test]}
    if arguments.real:
        tests["people"] = segmentation_datalist(arguments.real, ["T1w"])[: arguments.num_test]
    sets = {name: prepare(parts, items, out / "prepared" / name) for name, items in lists.items()}
    test_paths = {name: prepare(parts, items, out / "prepared" / f"test_{name}") for name, items in tests.items()}
    counts = {name: len(paths) for name, paths in sets.items()}
    counts |= {f"test {name}": len(paths) for name, paths in test_paths.items()}
    sizes = ", ".join(f"{number} {name}" for name, number in counts.items())
    about = {"minutes": arguments.minutes, "sizes": sizes, "channels": list(arguments.channels)}
    loaded = {name: [torch.load(path, weights_only=True) for path in paths] for name, paths in sets.items()}
    results = []
    for seed in arguments.seeds:
        for name, members in TRAININGS.items():
            folder = out / f"{name}_{seed}"
            done = folder / "result.json"
            if not done.is_file():
                chosen = [loaded[member] for member in members]
                network, steps = train(parts, chosen, folder, minutes=arguments.minutes, seed=seed)
                scores = {test: score(parts, network, paths) for test, paths in test_paths.items()}
                write_json(done, finite_json({"training": name, "seed": seed, "steps": steps, "dice": scores}))
            results.append(json.loads(done.read_text(encoding="utf-8")))
            write_json(out / "train_on_synthetic.json", {**about, "results": results})
            atomic_write(out / "train_on_synthetic.md", report(results, about))
    print(report(results, about))


if __name__ == "__main__":
    main()
