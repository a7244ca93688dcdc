"""Transforms for subjects with several contrasts, where some contrasts may be missing."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

from monai.transforms import Randomizable, Transform

from brain_bundles.data.rendered import target_key
from brain_bundles.transforms.preprocessing import image_preprocessing


class ContrastPreprocessing(Transform):
    """Apply :func:`image_preprocessing` to the contrasts that a subject has; the first of them is the reference.

    Args:
        contrasts: keys of image paths; an item may lack some. Targets of their own, under
            :func:`brain_bundles.data.target_key`, are preprocessed, too.
        **options: options of :func:`image_preprocessing`.

    Raises:
        ValueError: when called, for an item without any contrast.
    """

    def __init__(self, contrasts: Sequence[str], **options: Any) -> None:
        self.keys = [*contrasts, *map(target_key, contrasts)]
        self.options = options

    def __call__(self, data: Mapping[Hashable, Any]) -> Mapping[Hashable, Any]:
        present = [name for name in self.keys if name in data]
        return image_preprocessing(present, **self.options)(data)


class RandContrastPair(Randomizable, Transform):
    """Draw two of a subject's contrasts, a target and then a source among the others.

    Where the item has targets of their own, under :func:`brain_bundles.data.target_key`, the target is that one.

    The item gets ``source`` and ``target``, the indices of the two in ``contrasts``, and their volumes with MONAI's
    keys ``image`` and ``label``. An item of cached latents gets ``image_mean``, ``image_sigma``, ``label_mean`` and
    ``label_sigma`` instead. The keys of the contrasts are removed, so that items of subjects with different contrasts
    make a batch.

    Args:
        contrasts: all contrasts that the model knows.

    Raises:
        ValueError: when called, for a subject with fewer than two of them.
    """

    def __init__(self, contrasts: Sequence[str]) -> None:
        self.contrasts = list(contrasts)

    def __call__(self, data: Mapping[str, Any]) -> dict[str, Any]:
        parts = ("", "_mean", "_sigma")
        present = [name for name in self.contrasts if any(f"{name}{part}" in data for part in parts)]
        if len(present) < 2:
            raise ValueError(f"{data.get('participant_id', 'an item')} has {present}; a pair needs two contrasts.")
        target = present.pop(int(self.R.randint(len(present))))
        source = present[int(self.R.randint(len(present)))]
        taken = {f"{key}{part}" for name in self.contrasts for key in (name, target_key(name)) for part in parts}
        result = {name: value for name, value in data.items() if name not in taken}
        result |= {"source": self.contrasts.index(source), "target": self.contrasts.index(target)}
        own = any(f"{target_key(target)}{part}" in data for part in parts)
        for key, name in (("image", source), ("label", target_key(target) if own else target)):
            result |= {f"{key}{part}": data[f"{name}{part}"] for part in parts if f"{name}{part}" in data}
        return result
