"""Commands about sets of images: compare two."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from brain_bundles.cli.arguments import number, several, text, triple, truth, whole

logger = logging.getLogger("brain_bundles")


def compare_populations(
    first: str,
    second: str,
    *,
    contrasts: str | Sequence[str] | None = None,
    output_dir: str = "comparison",
    num_people: int = 100,
    num_pairs: int = 100,
    epochs: int = 20,
    seed: int = 0,
    spacing: float = 2.0,
    spatial_size: Sequence[int] = (80, 96, 80),
    overwrite: bool = False,
) -> None:
    """Compare two sets of brain-extracted images: tissues, detail, likeness, volumes, and a test that tells them apart.

    docs/how-to/compare_populations.md explains the tables.

    Example: brain-bundles compare-populations brains /data/bids --output_dir comparison

    Args:
        first: a BIDS dataset or a folder of NIfTI files, such as phantoms or generated brains.
        second: another one, such as real brains.
        contrasts: contrasts to compare, such as T1w,FLAIR; by default those that 10 people or more of both sets have.
        output_dir: folder for comparison.json, comparison.md and pictures.
        num_people: people of each set at most.
        num_pairs: pairs of people for each MS-SSIM.
        epochs: length of the training of the network that tells the sets apart.
        seed: seed of people, pairs, folds and trainings.
        spacing: voxel size of the grid that both sets are brought to, mm.
        spatial_size: voxels of that grid to the right, to the front, to the top; at least 80.
        overwrite: replace a comparison that is there.
    """
    from pathlib import Path

    from brain_bundles.evaluation.populations import compare_populations as compare

    folder = Path(text("output_dir", output_dir)).absolute()
    if (folder / "comparison.json").exists() and not truth("overwrite", overwrite):
        raise FileExistsError(f"{folder} has a comparison; give another --output_dir, or --overwrite to replace it.")
    compare(
        text("first", first),
        text("second", second),
        folder,
        contrasts=several("contrasts", contrasts),
        num_people=whole("num_people", num_people, least=10),
        num_pairs=whole("num_pairs", num_pairs, least=1),
        epochs=whole("epochs", epochs, least=1),
        seed=whole("seed", seed, least=0),
        spacing=number("spacing", spacing, least=0.5, most=3.0),
        spatial_size=[whole("spatial_size", size, least=80) for size in triple("spatial_size", spatial_size)],
    )
    logger.info("Wrote %s", folder)
