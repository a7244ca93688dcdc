"""What is a population worth? One small network learns from it alone, and is tried on people.

python tests/benchmarks/population_use.py ANATOMIES REAL OUTPUT_DIR [--minutes 30] [--populations template,nominal ...]

A 3D UNet without any diffusion learns T1w, T2w and FLAIR at once from one of them and a token of which one it is, or
from one of unknown contrast. Each population has as many people and trains for as many minutes of two cores, counted in
the processor time of the training, so that other work does not matter. REAL is a BIDS dataset of brain-extracted people
(tests/real/population_realism.py lays one out). Nothing is fitted to it but the curves that the table names. Volumes of
a population are kept in OUTPUT_DIR, and so is each network: a later start goes on.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from brain_bundles.data import BidsIndex
from brain_bundles.engines import Muon, muon_groups
from brain_bundles.metrics import IntensityRegression, brain_mask, score_translation
from brain_bundles.networks import ChannelNorm
from brain_bundles.phantom import HeadPopulation, write_phantoms
from brain_bundles.phantom.scanner import acquisition_of
from brain_bundles.transforms import image_preprocessing
from brain_bundles.utils.precision import autocast
from torch import nn
from tqdm import tqdm

CONTRASTS = ("T1w", "T2w", "FLAIR")
UNKNOWN = len(CONTRASTS)  # the token of a source of any contrast
SPACING, SIZE = 2.0, (80, 96, 80)
PEOPLE, DRAWS = 102, 3  # 6 of each of the 17 maps for training; scans of each source contrast
CROP, BATCH, RATE = (56, 64, 56), 2, 0.01
HIDDEN_TOKEN = 0.25  # share of the steps that do not tell the contrast
POPULATIONS = ("template", "nominal", "varied", "random")
LESIONS = {"tumour_probability": 0.25, "stroke_probability": 0.15, "sclerosis_probability": 0.15}


@dataclass(frozen=True)
class Volumes:
    """Preprocessed scans of a population.

    Attributes:
        sources: (people, draws, 3, D, H, W) float16.
        targets: (people, 3, D, H, W) float16.
        known: (people, draws) bool, False where sources have random levels: their token is ``UNKNOWN``.
    """

    sources: torch.Tensor
    targets: torch.Tensor
    known: torch.Tensor


@dataclass(frozen=True)
class Made:
    """An image in memory, in the place of a file."""

    name: str
    volume: np.ndarray
    affine: np.ndarray

    def __str__(self) -> str:
        return self.name

    def render(self) -> tuple[np.ndarray, np.ndarray]:
        return self.volume, self.affine

    def fingerprint(self) -> str:
        return self.name


def preprocessed(images: Mapping[str, Any]) -> dict[str, torch.Tensor]:
    """Volumes (D, H, W) on the models' grid, on the collection's intensity scale."""
    keys = list(images)
    item = image_preprocessing(keys, SPACING, SIZE, warn_cut=None)(dict(images))
    return {key: item[key].as_tensor()[0] for key in keys}


def template_volumes(folder: Path) -> Volumes:
    """The old population: deformations of one template, one scanner."""
    write_phantoms(
        folder, num_subjects=PEOPLE, suffixes=CONTRASTS, tumour_probability=LESIONS["tumour_probability"], seed=11
    )
    people = sorted(path.name for path in folder.glob("sub-*"))
    found = [
        preprocessed({c: folder / person / "anat" / f"{person}_{c}.nii.gz" for c in CONTRASTS})
        for person in tqdm(people, desc="reading")
    ]
    targets = torch.stack([torch.stack([one[c] for c in CONTRASTS]).half() for one in found])
    return Volumes(targets[:, None], targets, torch.ones((len(people), 1), dtype=torch.bool))


def head_volumes(anatomies: str, which: str) -> Volumes:
    """People of label maps: sources by the population's acquisition, targets nominal."""
    people = HeadPopulation(anatomies, num_subjects=PEOPLE, seed=11, acquisition="varied", **LESIONS)
    # One map after the other: each is prepared once.
    names = people.source.in_split("train")
    draws = 1 if which == "nominal" else DRAWS
    sources = torch.zeros((PEOPLE, draws, len(CONTRASTS), *SIZE), dtype=torch.float16)
    targets = torch.zeros((PEOPLE, len(CONTRASTS), *SIZE), dtype=torch.float16)
    known = torch.ones((PEOPLE, draws), dtype=torch.bool)
    order = sorted(range(PEOPLE), key=lambda index: names.index(people.anatomy("train", index)))
    for index in tqdm(order, desc=f"{which} people"):
        head = people.subject("train", index)

        def scan(kind: str, contrast: str, key: str, head: Any = head, index: int = index) -> Made:
            acquisition = acquisition_of(kind)
            volume = acquisition.image(head, acquisition.draw(head, contrast, key=key)).numpy()
            return Made(f"{index} {kind} {contrast} {key}", volume, np.diag([SPACING] * 3 + [1.0]))

        images = {("target", c): scan("nominal", c, "target") for c in CONTRASTS}
        for draw in range(draws):
            kind = "nominal" if which == "nominal" else "varied"
            if which == "random" and (index + draw) % 4 == 0:
                kind, known[index, draw] = "random", False
            images |= {(draw, c): scan(kind, c, f"draw {draw}") for c in CONTRASTS}
        done = preprocessed({f"{part} {c}": image for (part, c), image in images.items()})
        targets[index] = torch.stack([done[f"target {c}"] for c in CONTRASTS])
        for draw in range(draws):
            sources[index, draw] = torch.stack([done[f"{draw} {c}"] for c in CONTRASTS])
    return Volumes(sources, targets, known)


def block(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv3d(inputs, outputs, 3, padding=1), ChannelNorm(outputs), nn.SiLU())


class UNet(nn.Module):
    """16 to 128 channels over four resolutions; one source and its token in, three contrasts out.

    Skips are added, and features come up through 1x1x1 convolutions at the lower resolution: in fp32 on the CPU a step
    takes two fifths of the time that concatenation takes.
    """

    WIDTHS = (16, 32, 64, 128)

    def __init__(self) -> None:
        super().__init__()
        pairs = list(zip(self.WIDTHS[:-1], self.WIDTHS[1:], strict=True))
        self.stem = block(1 + UNKNOWN + 1, self.WIDTHS[0])
        self.down = nn.ModuleList(nn.Sequential(block(high, low), block(low, low)) for high, low in pairs)
        self.narrow = nn.ModuleList(nn.Conv3d(low, high, 1) for high, low in pairs)
        self.up = nn.ModuleList(block(high, high) for high, _ in pairs)
        self.out = nn.Conv3d(self.WIDTHS[0], len(CONTRASTS), 1)

    def forward(self, source: torch.Tensor, token: torch.Tensor) -> torch.Tensor:
        """(B, 1, D, H, W) and (B,) -> (B, 3, D, H, W), 0 where the source is 0."""
        planes = F.one_hot(token, UNKNOWN + 1).to(source.dtype)[:, :, None, None, None]
        x = self.stem(torch.cat([source, planes.expand(-1, -1, *source.shape[2:])], dim=1))
        kept = [x]
        for part in self.down:
            x = part(F.avg_pool3d(x, 2))
            kept.append(x)
        for level in reversed(range(len(self.up))):
            x = self.up[level](kept[level] + F.interpolate(self.narrow[level](x), scale_factor=2, mode="nearest"))
        return self.out(x) * (source > 0)


def batches(volumes: Volumes, seed: int) -> Iterator[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]:
    """Random crops: source (B, 1, ...), token (B,), targets (B, 3, ...); half of them mirrored."""
    rng = np.random.default_rng(seed)
    people, draws = volumes.known.shape
    while True:
        sources, tokens, targets = [], [], []
        while len(sources) < BATCH:
            person, draw, contrast = (int(rng.integers(n)) for n in (people, draws, len(CONTRASTS)))
            corner = [int(rng.integers(size - crop + 1)) for size, crop in zip(SIZE, CROP, strict=True)]
            box = tuple(slice(start, start + crop) for start, crop in zip(corner, CROP, strict=True))
            source = volumes.sources[person, draw, contrast][box].float()
            if (source > 0).float().mean() < 0.1:
                continue
            target = volumes.targets[person][(slice(None), *box)].float()
            if rng.random() < 0.5:
                source, target = source.flip(0), target.flip(1)
            hidden = rng.random() < HIDDEN_TOKEN or not volumes.known[person, draw]
            sources.append(source[None])
            targets.append(target)
            tokens.append(UNKNOWN if hidden else contrast)
        yield torch.stack(sources), torch.tensor(tokens), torch.stack(targets)


def train(volumes: Volumes, minutes: float, path: Path, seed: int = 0) -> UNet:
    """Train for some minutes of two cores with a cosine of the learning rate."""
    torch.manual_seed(seed)
    network = UNet()
    if path.is_file():
        network.load_state_dict(torch.load(path, weights_only=True))
        return network.eval()
    network.to(memory_format=torch.channels_last_3d)
    optimizer = Muon(muon_groups(network, RATE), lr=RATE, use_adjusted_lr=True)
    rates = [group["lr"] for group in optimizer.param_groups]
    start, step, losses = time.process_time(), 0, []
    bar = tqdm(total=round(minutes * 120), desc=path.stem, unit="s")
    for source, token, target in batches(volumes, seed):
        part = (time.process_time() - start) / (120.0 * minutes)
        if part >= 1.0:
            break
        for group, rate in zip(optimizer.param_groups, rates, strict=True):
            group["lr"] = rate * min(1.0, (step + 1) / 50) * 0.5 * (1.0 + math.cos(math.pi * part))
        with autocast("auto", source.device):
            predicted = network(source.contiguous(memory_format=torch.channels_last_3d), token).float()
        inside = (source > 0) & (target > 0)
        loss = ((predicted - target).abs() * inside).sum() / inside.sum().clamp(min=1)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        losses.append(loss.item())
        step += 1
        bar.n = round(time.process_time() - start)
        bar.set_postfix(step=step, loss=f"{np.mean(losses[-100:]):.4f}")
    print(f"{path.stem}: {step} steps, loss {np.mean(losses[-100:]):.4f}", flush=True)
    torch.save(network.state_dict(), path)
    return network.eval()


def real_people(folder: str) -> dict[str, dict[str, torch.Tensor]]:
    """Volumes by contrast of every person with two or more contrasts; the set is the name's beginning."""
    index, people = BidsIndex(folder), {}
    for person in index.participants():
        (scan,) = index.scans(person)
        paths = {c: path for c in CONTRASTS if (path := index.find(scan, c))}
        if len(paths) > 1:
            people[person.removeprefix("sub-")] = preprocessed(paths)
    return people


def set_of(name: str) -> str:
    return next(known for known in ("older", "brats", "ms", "stroke") if name.startswith(known))


Pair = tuple[str, str, str]  # person, source, target


def pairs_of(people: Mapping[str, Mapping[str, torch.Tensor]]) -> list[Pair]:
    return [(name, s, t) for name, found in people.items() for s in found for t in found if s != t]


def fitted(
    predictions: Mapping[Pair, torch.Tensor], people: Mapping[str, Mapping[str, torch.Tensor]], chosen: Callable
) -> dict[Pair, torch.Tensor | None]:
    """Predictions after a curve fitted on other people: ``chosen(pair, other)`` says on which."""
    curved: dict[Pair, torch.Tensor | None] = {}
    for pair, prediction in predictions.items():
        regression, seen = IntensityRegression(), 0
        for other, guess in predictions.items():
            if other[1:] == pair[1:] and other[0] != pair[0] and chosen(pair, other):
                source, target = people[other[0]][other[1]], people[other[0]][other[2]]
                regression.update(guess.clamp(0, 1), target, brain_mask(source, target))
                seen += 1
        source, target = people[pair[0]][pair[1]], people[pair[0]][pair[2]]
        curved[pair] = regression.predict(prediction.clamp(0, 1), brain_mask(source, target)) if seen else None
    return curved


def scores(
    predictions: Mapping[Pair, torch.Tensor | None], people: Mapping[str, Mapping[str, torch.Tensor]]
) -> dict[str, dict[str, float]]:
    """Mean PSNR and SSIM by set and direction, and by set; PSNR also of the outer 4 mm of the brain and within it."""
    found: dict[str, list[tuple[float, ...]]] = {}
    for (name, source, target), prediction in predictions.items():
        if prediction is None:
            continue
        true = people[name][target]
        mask = brain_mask(people[name][source], true)
        one = score_translation(prediction, true, mask, ms_ssim_kernel_size=None)
        within = F.max_pool3d((~mask).float().reshape(1, 1, *true.shape[-3:]), 5, 1, 2).reshape(mask.shape) == 0
        error = (prediction.clamp(0, 1) - true).square()
        parts = (float(error[part.reshape(error.shape)].mean()) for part in (mask & ~within, within))
        row = (one.psnr, one.ssim, *(-10 * math.log10(part) for part in parts))
        for key in (set_of(name), f"{set_of(name)} {source} to {target}"):
            found.setdefault(key, []).append(row)
    names = ("psnr", "ssim", "psnr_rim", "psnr_within")
    return {key: dict(zip(names, np.mean(rows, axis=0).tolist(), strict=True)) for key, rows in found.items()}


@torch.no_grad()
def predict(network: UNet, people: Mapping[str, Mapping[str, torch.Tensor]]) -> dict[Pair, torch.Tensor]:
    predictions = {}
    for name, found in people.items():
        for number, source in enumerate(CONTRASTS):
            if source in found:
                with autocast("auto", found[source].device):
                    out = network(found[source][None, None], torch.tensor([number]))[0].float()
                predictions |= {(name, source, t): out[CONTRASTS.index(t)] for t in found if t != source}
    return predictions


def same_set(pair: Pair, other: Pair) -> bool:
    return set_of(pair[0]) == set_of(other[0])


def other_set(pair: Pair, other: Pair) -> bool:
    return not same_set(pair, other)


def report(results: Mapping[str, Mapping[str, Mapping[str, float]]]) -> str:
    """Two tables: PSNR and SSIM of each method in each set; PSNR of the outer 4 mm of the brain, and within it."""
    sets = ("older", "brats", "ms", "stroke")
    lines = []
    for form in ("{psnr:.2f} dB, {ssim:.3f}", "{psnr_rim:.1f}, {psnr_within:.1f}"):
        lines += ["| method | " + " | ".join(sets) + " |", "| --- |" + " --- |" * len(sets)]
        for method, found in results.items():
            cells = [form.format(**found[one]) if one in found else "" for one in sets]
            lines.append(f"| {method} | " + " | ".join(cells) + " |")
        lines.append("")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("anatomies")
    parser.add_argument("real")
    parser.add_argument("output", type=Path)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--populations", default=",".join(POPULATIONS))
    parser.add_argument("--only_render", action="store_true")
    given = parser.parse_args(arguments)
    given.output.mkdir(parents=True, exist_ok=True)
    people = real_people(given.real)
    asis = {pair: people[pair[0]][pair[1]] for pair in pairs_of(people)}
    results: dict[str, Any] = {
        "copy": scores(asis, people),
        "regression, other people of the set": scores(fitted(asis, people, same_set), people),
        "regression, other sets": scores(fitted(asis, people, other_set), people),
    }
    for name in given.populations.split(","):
        cache = given.output / f"{name}.pt"
        if cache.is_file():
            volumes = Volumes(**torch.load(cache, weights_only=True, mmap=True))
        else:
            made = (
                template_volumes(given.output / "template")
                if name == "template"
                else head_volumes(given.anatomies, name)
            )
            torch.save(vars(made), cache)
            volumes = made
        if given.only_render:
            continue
        network = train(volumes, given.minutes, given.output / f"network_{name}.pt")
        predictions = predict(network, people)
        results[f"{name}"] = scores(predictions, people)
        results[f"{name}, then a curve of the set"] = scores(fitted(predictions, people, same_set), people)
        (given.output / "results.json").write_text(json.dumps(results, indent=1))
        print(report(results), flush=True)


if __name__ == "__main__":
    main()
