"""The command that makes the published table of the generator."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from brain_bundles.cli.arguments import UsageError, settings, several, text, truth, whole

logger = logging.getLogger("brain_bundles")


def evaluate_rows(
    reference_dir: str,
    *,
    output_dir: str = "rows",
    bundle: str = "brain_mri_generator",
    real: str | Sequence[str] | None = None,
    baselines: str | Sequence[str] | None = None,
    rows: str | None = None,
    num: int = 512,
    num_slow: int = 64,
    num_pairs: int = 1000,
    num_four_gr_pairs: int = 300,
    num_resamples: int = 1000,
    kernel_size: int = 5,
    med3d: str | None = None,
    features: bool = True,
    read_by_network: bool = True,
    seed: int = 0,
    **options: Any,
) -> None:
    """Make the table of the paper: sets of several samplers, models and folders, compared with one reference.

    A stopped command is started again and goes on. docs/how-to/evaluate_generated_brains.md explains the tables.

    Every key of the bundle's configs/inference.json is an option for all rows, such as ckpt_dir, batch_size, device.

    Example: brain-bundles evaluate-rows phantoms --real people=/data/bids --baselines lsgan=lsgan.pt

    Args:
        reference_dir: a BIDS dataset; its held-out people give the conditions, and are what all is compared with.
        output_dir: folder for rows.md, rows.json and the sets.
        bundle: name, folder or zip of the generator.
        real: sets of real brains, or of other phantoms, such as people=/data/bids, with commas between them.
        baselines: weights of baselines, such as lsgan=models/lsgan.pt,vaegan=models/vaegan.pt.
        rows: JSON file with a list of rows in place of the paper's.
        num: brains of a row.
        num_slow: brains of the row by DDPM of 1000 steps.
        num_pairs: pairs of brains for MS-SSIM.
        num_four_gr_pairs: pairs for 4-G-R-SSIM, about a second each.
        num_resamples: draws of each interval.
        kernel_size: window of MS-SSIM, voxels.
        med3d: file of MedicalNet's ResNet-50, for distances that others publish.
        features: distances between features by the second encoder.
        read_by_network: read volumes and age by the segmenter, too.
        seed: seed of all sets and draws.
    """
    import json
    from pathlib import Path

    from brain_bundles.bundle import Generator, load, paper_rows
    from brain_bundles.bundle import evaluate_rows as make
    from brain_bundles.evaluation.features import Med3DEncoder, second_encoder
    from brain_bundles.evaluation.generated import Columns

    loaded, given = load(text("bundle", bundle)), settings(options)
    if not isinstance(loaded, Generator):
        raise UsageError(f"bundle is {bundle}, which is no generator.")
    if taken := {"conditions", "num_samples", "first_sample", "run"} & given.keys():
        raise UsageError(f"{', '.join(sorted(taken))}: set by the rows themselves.")
    try:
        loaded.check(given)
    except ValueError as error:
        raise UsageError(str(error)) from error
    if rows is None:
        wanted = paper_rows(
            real=_named("real", real),
            baselines=_named("baselines", baselines),
            num_slow=whole("num_slow", num_slow, least=1),
            flow=loaded.content("prediction_type", **given)[0] == "rectified_flow",
            distilled=Path(loaded.content("ckpt_dir", **given)[0], "few_steps.pt").is_file(),
        )
    elif real is not None or baselines is not None:
        raise UsageError("rows and real or baselines are both given; put them into the file of rows.")
    else:
        wanted = json.loads(Path(text("rows", rows)).read_text(encoding="utf-8"))
    columns = Columns(
        num_pairs=whole("num_pairs", num_pairs, least=1),
        seed=whole("seed", seed, least=0),
        kernel_size=whole("kernel_size", kernel_size, least=3),
        encoder=second_encoder() if truth("features", features) else None,
        other_encoders=() if med3d is None else (Med3DEncoder(text("med3d", med3d)),),
        num_four_gr_pairs=whole("num_four_gr_pairs", num_four_gr_pairs, least=0),
        num_resamples=whole("num_resamples", num_resamples, least=0),
        read_by_network=truth("read_by_network", read_by_network),
    )
    folder = Path(text("output_dir", output_dir))
    make(
        loaded.root,
        wanted,
        text("reference_dir", reference_dir),
        folder,
        num_samples=whole("num", num, least=1),
        options=given,
        columns=columns,
    )
    logger.info("Wrote %s", folder / "rows.md")


def _named(name: str, value: str | Sequence[str] | None) -> dict[str, str]:
    """NAME=PATH,NAME=PATH as a mapping; a missing one is told now and not after hours."""
    from pathlib import Path

    pairs = [word.partition("=") for word in several(name, value) or []]
    if any(not (key and path) for key, _, path in pairs):
        raise UsageError(f"{name} must be NAME=PATH, with commas between several, got {value!r}.")
    if len({key for key, *_ in pairs}) < len(pairs):
        raise UsageError(f"{name} has a name twice: {value!r}.")
    if missing := [path for _, _, path in pairs if not Path(path).exists()]:
        raise FileNotFoundError(f"{name}: {', '.join(missing)} does not exist.")
    return {key: path for key, _, path in pairs}
