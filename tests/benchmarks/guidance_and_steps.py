"""What guidance and the number of steps give and take: fidelity, distances and recall, as tables and plots.

    python tests/benchmarks/guidance_and_steps.py REFERENCE OUT [--bundle NAME] [--num 128] [--steps 4 6 ...]
        [--samplers dpm_solver rflow] [--scales 1 1.5 ...] [--KEY VALUE ...]

Each point is a row of `brain-bundles evaluate-rows` with the same conditions and noise, compared with the held-out
people of REFERENCE. Guidance needs weights that were trained with condition_dropout; others have the steps alone. OUT
gets the sets, rows.md, rows.json and guidance_and_steps.svg; a later start goes on. KEY is a key of the bundle's
inference.json, such as denoising_end 1.0: few steps need the last one. Recall belongs to every claim of few steps: a
sampler may be exact and leave out half of the people.
"""

from __future__ import annotations

import argparse
import json
from ast import literal_eval
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import brain_bundles
from brain_bundles.bundle import evaluate_rows
from brain_bundles.evaluation.features import second_encoder
from brain_bundles.evaluation.generated import Columns
from brain_bundles.utils.atomic import atomic_file
from matplotlib.figure import Figure

STEPS = (4, 6, 8, 10, 15, 20, 30, 50)
SAMPLERS = ("dpm_solver", "ddim")
FLOW_SAMPLERS = ("dpm_solver", "rflow")
SCALES = (1.0, 1.5, 2.0, 3.0, 5.0)
GUIDANCE = "guidance"  # the curve of the scales, beside those of the samplers
FEATURES = {"frechet_distance": "Fréchet distance ↓", "precision": "precision ↑", "recall": "recall ↑"}
VOLUMES = {"ventricular_volume": "r of ventricles ↑"}
Point = tuple[float, float | None, list[float | None] | None]  # x, value, ends of its interval


def settings_of(
    steps: Sequence[int], samplers: Sequence[str], scales: Sequence[float]
) -> dict[str, tuple[str, float, dict[str, Any]]]:
    """Name of a row -> its curve, its place on it, and its keys."""
    found: dict[str, tuple[str, float, dict[str, Any]]] = {
        f"{sampler}_{number}": (sampler, number, {"sampler": sampler, "num_inference_steps": number})
        for sampler in samplers
        for number in steps
    }
    return found | {f"guidance_{scale:g}": (GUIDANCE, scale, {"guidance_scale": scale}) for scale in scales}


def curves(
    rows: Sequence[Mapping[str, Any]], settings: Mapping[str, tuple[str, float, Any]]
) -> dict[str, dict[str, list[Point]]]:
    """Curve -> measure -> its points."""
    found: dict[str, dict[str, list[Point]]] = {}
    for row in rows:
        curve, x, _ = settings[row["name"]]
        metrics, here = row["metrics"], found.setdefault(curve, {})
        features = metrics["features"] or {"values": {}, "intervals": {}}
        for key, title in FEATURES.items():
            ends = (features["intervals"] or {}).get(key)
            here.setdefault(title, []).append((x, features["values"].get(key), ends))
        for key, title in VOLUMES.items():
            one = metrics["fidelity"].get(key, {})
            here.setdefault(title, []).append((x, one.get("pearson_r"), one.get("intervals", {}).get("pearson_r")))
    return found


def draw(path: Path, found: Mapping[str, Mapping[str, Sequence[Point]]]) -> None:
    """A row of plots for the steps, with a curve for each sampler, and one for the scale of guidance."""
    groups = {
        "steps": {name: curve for name, curve in found.items() if name != GUIDANCE},
        "guidance scale": {name: curve for name, curve in found.items() if name == GUIDANCE},
    }
    groups = {name: group for name, group in groups.items() if group}
    titles = [*FEATURES.values(), *VOLUMES.values()]
    figure = Figure(figsize=(3.2 * len(titles), 2.8 * len(groups)), layout="constrained")
    axes = figure.subplots(len(groups), len(titles), squeeze=False)
    for line, (what, group) in zip(axes, groups.items(), strict=True):
        for one, title in zip(line, titles, strict=True):
            one.set_title(title)
            one.set_xlabel(what)
            for name, curve in group.items():
                known = [(x, value, ends) for x, value, ends in sorted(curve[title]) if value is not None]
                if known:
                    x, y, _ = zip(*known, strict=True)
                    one.plot(x, y, marker="o", markersize=3, label=name)
                    for place, _, ends in known:
                        if ends and None not in ends:
                            one.plot([place, place], ends, color=one.lines[-1].get_color(), linewidth=1, alpha=0.5)
        if len(group) > 1:
            line[0].legend(frameon=False)
    with atomic_file(path) as file:
        figure.savefig(file, format="svg", metadata={"Date": None})


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("reference")
    parser.add_argument("out", type=Path)
    parser.add_argument("--bundle", default="brain_mri_generator")
    parser.add_argument("--num", type=int, default=128)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--num_pairs", type=int, default=300)
    parser.add_argument("--kernel_size", type=int, default=5)
    parser.add_argument("--steps", type=int, nargs="*", default=STEPS)
    parser.add_argument("--samplers", nargs="+", help="by default a fast and a plain one")
    parser.add_argument("--scales", type=float, nargs="*", default=SCALES)
    arguments, rest = parser.parse_known_args(words)
    options = {key.removeprefix("--"): read(value) for key, value in zip(rest[::2], rest[1::2], strict=True)}
    bundle = brain_bundles.load(arguments.bundle, **options)
    dropout, prediction = bundle.content("condition_dropout", "prediction_type")
    scales = arguments.scales if dropout > 0 else ()
    if not scales:
        print("These weights were trained without condition_dropout: no guidance.")
    samplers = arguments.samplers or (FLOW_SAMPLERS if prediction == "rectified_flow" else SAMPLERS)
    settings = settings_of(arguments.steps, samplers, scales)
    columns = Columns(
        num_pairs=arguments.num_pairs,
        kernel_size=arguments.kernel_size,
        seed=arguments.seed,
        encoder=second_encoder(),
    )
    rows = evaluate_rows(
        bundle.root,
        [{"name": name, "options": keys} for name, (_, _, keys) in settings.items()],
        arguments.reference,
        arguments.out,
        num_samples=arguments.num,
        options=options,
        columns=columns,
    )
    found = curves(rows, settings)
    draw(arguments.out / "guidance_and_steps.svg", found)
    print((arguments.out / "rows.md").read_text(encoding="utf-8"))


def read(value: str) -> Any:
    """A value of a config: JSON where it can be read so, Python, or text."""
    for parse in (json.loads, literal_eval):
        try:
            return parse(value)
        except (ValueError, SyntaxError):
            continue
    return value


if __name__ == "__main__":
    main()
