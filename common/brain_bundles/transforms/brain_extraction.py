"""Brain extraction: a mask of the intracranial content (CSF included) of a whole head.

Methods stand in :data:`METHODS`, in the order in which they are preferred. Arrays are (D, H, W).
"""

from __future__ import annotations

import functools
import importlib.util
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from brain_bundles.data.anatomy import BRAIN_ML
from brain_bundles.transforms.scan_segmenter import load_segmenter
from brain_bundles.transforms.segmentation import NoHeadError
from brain_bundles.utils.segmenter_network import segmenter_path

Mask = NDArray[np.bool_]
SEGMENTER = "segmenter"


class BrainExtractionError(ValueError):
    """Raised for a head whose brain cannot be extracted; the message says what to do."""


@dataclass(frozen=True)
class Method:
    """A method of brain extraction.

    Attributes:
        run: (D, H, W) float32 image and its (4, 4) affine to the mask (D, H, W).
        contrasts: contrasts that it is for; None for any.
        installed: returns True if what it needs is there.
        needs: what that is, and how to get it.
    """

    run: Callable[[NDArray[np.float32], NDArray[np.float64]], Mask]
    contrasts: frozenset[str] | None
    installed: Callable[[], bool]
    needs: str

    def takes(self, contrast: str) -> bool:
        """Return True if it is for a contrast."""
        return self.contrasts is None or contrast in self.contrasts


def segmenter_method(path: str | os.PathLike[str] | None = None) -> Method:
    """The network of the bundle brain_mri_segmenter, for any contrast.

    Args:
        path: its weights; None for those that come with the collection.
    """

    def run(image: NDArray[np.float32], affine: NDArray[np.float64]) -> Mask:
        try:
            return load_segmenter(path)(image, affine).brain_mask
        except NoHeadError as error:
            raise BrainExtractionError(f"the segmenter found no head: {error}") from error

    def installed() -> bool:
        return path is not None or segmenter_path() is not None

    return Method(run, None, installed, "the weights of brain_mri_segmenter, which are not here: give segmenter")


@functools.cache
def _deepbet() -> Any:
    from deepbet.bet import BrainExtraction

    return BrainExtraction(no_gpu=True)


def run_deepbet(image: NDArray[np.float32], affine: NDArray[np.float64]) -> Mask:
    """Mask by deepbet (Fisch et al. 2024, Computers in Biology and Medicine 179:108845), MIT; it brings its weights."""
    try:
        mask = _deepbet().run(nib.nifti1.Nifti1Image(image, affine))[1]
    except (AssertionError, ValueError) as error:  # it found no object at all
        raise BrainExtractionError(f"deepbet found no brain ({error})") from error
    return np.asarray(mask.dataobj) > 0


METHODS: Mapping[str, Method] = {
    "deepbet": Method(
        run_deepbet,
        # Made for T1w; of other contrasts it finds a brain too.
        frozenset({"T1w", "ce-gadolinium_T1w", "T2w", "FLAIR", "PDw"}),
        lambda: importlib.util.find_spec("deepbet") is not None,
        "deepbet: pip install 'brain-bundles[prepare]'",
    ),
    SEGMENTER: segmenter_method(),
}


def extract_brain(
    image: NDArray[np.float32],
    affine: NDArray[np.float64],
    contrast: str = "T1w",
    *,
    method: str | None = None,
    segmenter: str | os.PathLike[str] | None = None,
) -> tuple[Mask, str]:
    """Mask of the brain of a whole head, and the name of the method that made it.

    Args:
        image: (D, H, W).
        affine: (4, 4), voxel to RAS+ mm.
        contrast: contrast of the image, such as T1w.
        method: name of one of :data:`METHODS`; None takes the first one for the contrast that is installed.
        segmenter: weights for the method "segmenter", which is then taken; None for those of the collection.

    Raises:
        BrainExtractionError: if no method knows the contrast, its package is missing, or what it found is no brain.
        ValueError: for an unknown method.
    """
    methods = METHODS
    if segmenter is not None:
        methods, method = {**METHODS, SEGMENTER: segmenter_method(segmenter)}, method or SEGMENTER
    if method is not None and method not in methods:
        raise ValueError(f"brain extraction by {method!r} is unknown, known are {', '.join(methods)}.")
    names = [method] if method else [name for name, one in methods.items() if one.takes(contrast)]
    if not names:
        known = sorted({contrast for one in methods.values() for contrast in one.contrasts or ()})
        raise BrainExtractionError(
            f"no method extracts the brain of a {contrast} image, only of {', '.join(known)}; give a mask."
        )
    usable = [name for name in names if methods[name].installed()]
    if not usable:
        raise BrainExtractionError(
            f"brain extraction needs {' or '.join(methods[n].needs for n in names)}; or give a mask."
        )
    mask = methods[usable[0]].run(image, affine)
    volume = float(mask.sum()) * abs(float(np.linalg.det(affine[:3, :3]))) / 1000
    low, high = BRAIN_ML
    if not low <= volume <= high:
        raise BrainExtractionError(
            f"{usable[0]} found {volume:.0f} mL, a brain has {low:.0f} to {high:.0f} mL; look at it, or give a mask."
        )
    return mask, usable[0]


def object_mask(image: NDArray[np.float32], affine: NDArray[np.float64]) -> Mask:
    """Mask of the largest object with everything inside it: of the head, or of the brain where that is all there is."""
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    background = background_of(image)
    bright = float(np.percentile(image[image > background], 99)) if (image > background).any() else background
    if not bright > background:
        return np.zeros(image.shape, dtype=bool)
    found = image > background + 0.1 * (bright - background)
    labels, count = ndimage.label(found)
    if count == 0:
        return np.zeros(image.shape, dtype=bool)
    largest = labels == np.bincount(labels.ravel())[1:].argmax() + 1
    reach = np.maximum(np.round(6.0 / spacing), 1).astype(int)  # dark CSF and dark edges belong to it
    padded = np.pad(largest, [(n, n) for n in reach])
    ball = np.linalg.norm(np.stack(np.meshgrid(*(np.arange(-n, n + 1) / n for n in reach), indexing="ij")), axis=0) <= 1
    closed = ndimage.binary_closing(padded, ball)
    inner = tuple(slice(n, -n) for n in reach)
    return ndimage.binary_fill_holes(closed)[inner] | largest


def background_of(image: NDArray[np.float32]) -> float:
    """Value of the air around the head: the median of the darkest fifth."""
    return float(np.median(image[image <= np.percentile(image, 20)]))
