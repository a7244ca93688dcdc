"""The adaptive translator by start and number of steps: PSNR, SSIM and seconds, over all cells of the matrix.

    python tests/benchmarks/adaptive_steps.py --num_subjects 4
    python tests/benchmarks/adaptive_steps.py --starts noise target_like:0.7 --steps 1 2 5

Uses the weights that ship and the default phantoms' split "val", so that no setting is chosen on the test subjects. The
first row is MS-SPADE alone. From a target-like latent the sampler takes the steps of the schedule that are left after
`denoising_start`; the third column counts them. The two lines before the table have the seconds of one target and of
all others at once, with the settings of inference.json. A single step starts at the last time step, where there is
noise alone: it is run once, for any start.
"""

from __future__ import annotations

import argparse
import copy
import dataclasses
import itertools
import statistics
import time
from pathlib import Path

import torch
from brain_bundles.data import contrast_datalist
from brain_bundles.evaluation import NetworkMethod
from brain_bundles.metrics.translation import brain_mask, score_translation
from brain_bundles.utils import derive_seed
from brain_mri_adaptive_translator import AdaptiveTranslator
from monai.bundle import ConfigParser
from tqdm import tqdm

BUNDLE = Path(__file__).resolve().parents[2] / "bundles" / "brain_mri_adaptive_translator"
STARTS = ["noise", "target_like:0.3", "target_like:0.5", "target_like:0.7", "target_like:0.85"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ckpt_dir", default=str(BUNDLE / "models"))
    parser.add_argument("--num_subjects", type=int, default=4)
    parser.add_argument("--starts", nargs="+", default=STARTS, help="noise, or target_like:DENOISING_START")
    parser.add_argument("--steps", nargs="+", type=int, default=[1, 2, 3, 5, 10], help="network evaluations")
    arguments = parser.parse_args()

    config = ConfigParser()
    config.read_config([str(BUNDLE / "configs" / "inference.json"), str(BUNDLE / "configs" / "evaluate.json")])
    config.update({"bundle_root": str(BUNDLE), "ckpt_dir": arguments.ckpt_dir})
    network, translator = (config.get_parsed_content(name) for name in ("network", "inferer"))
    prepare = config.get_parsed_content("evaluation::preprocessing")
    contrasts = config.get_parsed_content("contrasts")
    items = contrast_datalist(config.get_parsed_content("dataset_dir"), contrasts, split="val")
    volumes = [
        {name: volume.as_tensor() for name, volume in prepare(item).items() if name in contrasts}
        for item in items[: arguments.num_subjects]
    ]

    for number in (1, len(contrasts) - 1):
        seconds = time_targets(NetworkMethod(translator, network), volumes[0], contrasts[0], contrasts[1 : 1 + number])
        print(f"{number} targets with the settings of inference.json: {seconds:.2f} s")
    print(f"{len(volumes)} subjects, {torch.get_num_threads()} threads")
    print("| start | num_inference_steps | of these taken | PSNR (dB) | SSIM | seconds per source |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    walks = [
        (start, steps)
        for start, steps in itertools.product(arguments.starts, arguments.steps)
        if steps > 1 or start == arguments.starts[0]
    ]
    for start, steps in tqdm([("MS-SPADE alone", 0), *walks], disable=None):
        name, _, denoising_start = start.partition(":")
        sampler = copy.copy(translator.sampler)
        if steps:
            sampler.steps = dataclasses.replace(
                sampler.steps, num_inference_steps=steps, denoising_start=float(denoising_start or 0)
            )
        one = AdaptiveTranslator(sampler, start=name if steps else "noise", diffusion=steps > 0)
        psnr, ssim, seconds, taken = measure(one, network, volumes)
        print(f"| {start} | {steps or ''} | {taken:g} | {psnr:.2f} | {ssim:.4f} | {seconds:.2f} |", flush=True)


def time_targets(
    translate: NetworkMethod, volumes: dict[str, torch.Tensor], source: str, targets: list[str], repeats: int = 5
) -> float:
    """Median seconds from one source to the volumes of its targets, without a first call to warm up."""
    seconds = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        translate(volumes[source][None], targets=targets, seeds=range(len(targets)))
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds[1:])


def measure(
    translator: AdaptiveTranslator, network: torch.nn.Module, volumes: list[dict[str, torch.Tensor]]
) -> tuple[float, float, float, float]:
    """Mean PSNR and SSIM over subjects and cells, seconds and network evaluations per source and all its targets."""
    evaluations: list[int] = []
    hook = network.register_forward_pre_hook(lambda *_: evaluations.append(1))
    translate = NetworkMethod(translator, network)
    scores, seconds = [], []
    for number, of_subject in enumerate(volumes):
        for source, volume in of_subject.items():
            targets = [name for name in of_subject if name != source]
            seeds = [derive_seed(0, "adaptive_steps", number, target) for target in targets]
            start = time.perf_counter()
            made = translate(volume[None], targets=targets, seeds=seeds)
            seconds.append(time.perf_counter() - start)
            for target, prediction in zip(targets, made, strict=True):
                truth = of_subject[target][0]
                mask = brain_mask(volume[0], truth)
                scores.append(score_translation(prediction[0], truth, mask, ms_ssim_kernel_size=None))
    hook.remove()
    return (
        statistics.mean(score.psnr for score in scores),
        statistics.mean(score.ssim for score in scores),
        statistics.mean(seconds),
        len(evaluations) / len(seconds),
    )


if __name__ == "__main__":
    main()
