"""Pairs of contrasts of one subject, out of a data set of single images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from monai.transforms import Randomizable, Transform
from torch.utils.data import Dataset

ABOUT = ("participant_id", "contrast")


class ContrastPairs(Dataset):
    """One item per image: as the ``target``, with the subject's other contrasts as possible ``sources``.

    Subjects with a single contrast are left out, and one may have more contrasts than another.

    Args:
        data: a data set of single images or latents, such as :class:`~brain_bundles.data.CachedLatents` over
            :func:`contrast_datalist`; its ``datalist`` or ``data`` names participant and contrast of each.
        datalist: the same order as ``data``, with ``participant_id`` and ``contrast``.

    Raises:
        ValueError: if the lengths differ, or no subject has two contrasts.
    """

    def __init__(self, data: Sequence[Mapping[str, Any]], datalist: Sequence[Mapping[str, Any]]) -> None:
        if len(data) != len(datalist):
            raise ValueError(f"ContrastPairs: {len(data)} data, but {len(datalist)} entries in the datalist.")
        self.data = data
        subjects: dict[Any, list[int]] = {}
        for number, item in enumerate(datalist):
            subjects.setdefault(item["participant_id"], []).append(number)
        self.items = [
            (target, [source for source in images if source != target])
            for images in subjects.values()
            for target in images
            if len(images) > 1
        ]
        if not self.items:
            raise ValueError("ContrastPairs: no subject has two contrasts; check dataset_dir, the split and contrasts.")

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> dict[str, Any]:
        target, sources = self.items[index]
        return {"target": self.data[target], "sources": [self.data[source] for source in sources]}


class RandSource(Randomizable, Transform):
    """Choose one of an item's ``sources``, and lay its entries beside the target's.

    ``{"target": {...}, "sources": [{...}, ...]}`` becomes ``participant_id``, ``source`` and ``target``, the indices of
    the two contrasts, and ``source_<entry>``, ``target_<entry>`` for every other entry, such as image, mean and sigma.

    Args:
        contrasts: all that the model knows; an index is the place in this list.

    Raises:
        ValueError: when called, for a contrast that is not in the list.
    """

    def __init__(self, contrasts: Sequence[str]) -> None:
        self.contrasts = list(contrasts)

    def __call__(self, data: Mapping[str, Any]) -> dict[str, Any]:
        chosen = {"source": data["sources"][int(self.R.randint(len(data["sources"])))], "target": data["target"]}
        result: dict[str, Any] = {"participant_id": chosen["target"]["participant_id"]}
        for role, image in chosen.items():
            if image["contrast"] not in self.contrasts:
                raise ValueError(f"contrast {image['contrast']!r} is unknown; known are {', '.join(self.contrasts)}.")
            result[role] = self.contrasts.index(image["contrast"])
            result |= {f"{role}_{name}": value for name, value in image.items() if name not in ABOUT}
        return result
