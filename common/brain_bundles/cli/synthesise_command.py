"""The command that makes a synthetic data set."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from brain_bundles.cli.arguments import UsageError, settings, several, text, truth, whole


def synthesise(
    dataset_dir: str,
    *,
    num_subjects: int,
    shard_size: int = 250,
    seed: int = 0,
    contrasts: str | Sequence[str] | None = None,
    segment: bool = False,
    bundle: str = "brain_mri_generator",
    translator: str = "brain_mri_adaptive_translator",
    segmenter: str = "brain_mri_segmenter",
    overlays: str | list[str] | None = None,
    **options: Any,
) -> None:
    """Make a data set of many generated brains: BIDS in shards, with measured volumes, a data card and checksums.

    A stopped command is started again and goes on. Under torchrun or in a Slurm array the processes share the shards.

    Every key of the generator's configs/inference.json is an option, such as age, sex, sampler, batch_size, device.

    Example: brain-bundles synthesise brains --num_subjects 1000 --contrasts T1w,T2w,FLAIR --segment

    Args:
        dataset_dir: folder of the set; one that an earlier start has begun is continued.
        num_subjects: number of brains.
        shard_size: brains of a shard, which is a BIDS dataset and the work of one process.
        seed: seed of the set; brain i depends on this seed and i only.
        contrasts: contrasts of each brain, the generator's among them; by default that alone.
        segment: segment each brain, too.
        bundle: name, folder or zip of the generator.
        translator: that of the translator, for the other contrasts.
        segmenter: that of the segmenter, or a file with its weights (.pt, .safetensors).
        overlays: configs that go over the generator's inference: of the bundle, such as few_steps, or your own files.
    """
    from brain_bundles.workers import end_with_parent

    if "TORCHELASTIC_RUN_ID" in os.environ:
        end_with_parent()  # else ranks go on without torchrun; called before torch is imported, which takes seconds

    from brain_bundles.bundle import Generator, Segmenter, Translator, load
    from brain_bundles.synthesis import Models, Plan, share_of_this_process
    from brain_bundles.synthesis import synthesise as make
    from brain_bundles.utils import local_device

    plan = Plan(
        whole("num_subjects", num_subjects, least=1),
        whole("shard_size", shard_size, least=1),
        whole("seed", seed, least=0),
    )
    given, words = settings(options), several("contrasts", contrasts)
    if taken := {"num_samples", "first_sample", "output_dir", "run"} & given.keys():
        raise UsageError(f"{', '.join(sorted(taken))}: set by the command itself; give dataset_dir and num_subjects.")
    device = given.pop("device", None) or local_device()

    def loaded(name: str, value: str, kind: type, **more: Any) -> Any:
        if not isinstance(load(text(name, value)), kind):
            raise UsageError(f"{name} is {value}, which is no {kind.__name__.lower()}.")
        try:
            return load(text(name, value), device=device, **more)
        except ValueError as error:
            raise UsageError(str(error)) from error

    weights = {}
    if text("segmenter", segmenter).endswith((".pt", ".safetensors")):
        weights, segmenter = {"network::path": segmenter}, "brain_mri_segmenter"
    models = Models(
        loaded("bundle", bundle, Generator, overlays=several("overlays", overlays) or (), **given),
        contrasts=words,
        translator=loaded("translator", translator, Translator) if words and len(words) > 1 else None,
        segmenter=loaded("segmenter", segmenter, Segmenter, **weights) if truth("segment", segment) else None,
    )
    make(text("dataset_dir", dataset_dir), plan, models, share=share_of_this_process())
