"""Brain extraction as a step of the preprocessing of whole heads."""

from __future__ import annotations

import os
import zlib
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
from monai.data import MetaTensor
from monai.transforms import Transform
from numpy.typing import NDArray

from brain_bundles.data.anatomy import is_whole_head
from brain_bundles.transforms.brain_extraction import BrainExtractionError, extract_brain
from brain_bundles.transforms.source_file import file_of

# Entries that the transform adds to an item: the packed mask on the file's grid, and the method, empty without one.
BRAIN_MASK, BRAIN_EXTRACTION = "brain_mask", "brain_extraction"


class ExtractBraind(Transform):
    """Set a whole head to 0 outside of its brain, right after it was read.

    The mask goes into the item as ``brain_mask`` and the name of the method as ``brain_extraction``; both are empty
    where nothing was extracted. The mask is packed into bytes, since items of a batch have grids of their own.

    Args:
        key: key of the image, a MetaTensor (1, D, H, W).
        mode: True extracts the brain of every image, "auto" that of whole heads.
        contrast_key: key of the contrast's name in the item, T1w if there is none.
        segmenter: weights of a segmenter that finds brains; None takes the first method that is installed.

    Raises:
        ValueError: for another mode.
        BrainExtractionError: during the run, if the brain cannot be extracted; the message names the file.
    """

    def __init__(
        self,
        key: str,
        mode: bool | str = "auto",
        contrast_key: str = "source",
        segmenter: str | os.PathLike[str] | None = None,
    ) -> None:
        if mode not in (True, "auto"):
            raise ValueError(f"extract_brain is {mode!r}, allowed are True, False and 'auto'.")
        self.key, self.mode, self.contrast_key, self.segmenter = key, mode, contrast_key, segmenter

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        d = dict(data)
        image: MetaTensor = d[self.key]
        voxels, affine = image.numpy()[0], image.affine.double().numpy()
        d[BRAIN_MASK], d[BRAIN_EXTRACTION] = b"", ""
        if self.mode == "auto" and not is_whole_head(voxels, affine):
            return d
        try:
            contrast = str(d.get(self.contrast_key, "T1w"))
            mask, d[BRAIN_EXTRACTION] = extract_brain(voxels, affine, contrast, segmenter=self.segmenter)
        except BrainExtractionError as error:
            raise BrainExtractionError(f"{file_of(image)}: {error}") from error
        d[BRAIN_MASK] = pack(mask)
        d[self.key] = image * image.new_tensor(mask[None])
        return d


def pack(mask: NDArray[np.bool_]) -> bytes:
    """A mask in few bytes."""
    return zlib.compress(np.packbits(mask).tobytes())


def unpack(packed: bytes, shape: Sequence[int]) -> NDArray[np.bool_]:
    """The mask (D, H, W) from the bytes of :func:`pack`."""
    bits = np.frombuffer(zlib.decompress(packed), dtype=np.uint8)
    return np.unpackbits(bits, count=int(np.prod(shape))).astype(bool).reshape(tuple(shape))
