"""The one function that makes a bundle ready to call."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import torch

from brain_bundles.bundle.bundle import Bundle
from brain_bundles.bundle.generator import Generator
from brain_bundles.bundle.segmenter import Segmenter
from brain_bundles.bundle.translator import Translator
from brain_bundles.zoo.find_bundle import find_bundle

# What a bundle does, by a key that its inference.json has.
KINDS: dict[str, type[Bundle]] = {
    "conditions": Generator,
    "targets": Translator,
    "target": Translator,
    "flag_quality": Segmenter,
}


def load(
    bundle: str | os.PathLike[str],
    *,
    overlays: Sequence[str] = (),
    device: str | torch.device | None = None,
    **options: Any,
) -> Generator | Translator | Segmenter:
    """Load a bundle of this collection, to call it from Python.

    A config can run any code: look at bundles of others with ``python -m brain_bundles verify`` first.

    Args:
        bundle: name, folder or zip, see :func:`~brain_bundles.zoo.find_bundle.find_bundle`.
        overlays: configs that go over its inference: of the bundle, such as ``few_steps`` of the generator, or paths of
            files of your own.
        device: where networks run, such as "cuda:0"; None for a GPU if there is one.
        **options: keys of ``configs/inference.json`` for all calls, such as ``ckpt_dir``.

    Returns:
        an object with ``generate``, ``translate`` or ``segment``.

    Raises:
        FileNotFoundError: if there is no such bundle.
        ValueError: if it is none of this collection, an option is no key of its config, or it has no such overlay.
    """
    root = find_bundle(bundle)
    keys = Bundle(root).keys
    kind = next((kind for key, kind in KINDS.items() if key in keys), None)
    if kind is None:
        raise ValueError(f"{root} is no bundle of this collection: its inference has none of {', '.join(KINDS)}.")
    return kind(root, overlays=overlays, device=device, **options)  # type: ignore[return-value]
