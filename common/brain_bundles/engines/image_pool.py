"""A history of generated images, for discriminators."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from brain_bundles.utils.seeding import generator_for


class ImagePool:
    """Give a discriminator older generated images in the place of half of the new ones.

    Until it is full, images are kept and handed on. Then each new image is handed on, or takes the place of a random
    older one that is handed on instead, with equal chance. Draws come from the seeds of the samples; its state belongs
    into the checkpoint. Each process has its own pool; a run of several processes that is resumed begins with that of
    the first one in all of them.

    Args:
        size: number of images to keep, on the CPU; 0 hands every image on.

    Raises:
        ValueError: for a negative size.

    Source: Shrivastava et al. 2017, arXiv:1612.07828, section 2.3; with 50 images in Zhu et al. 2017,
    arXiv:1703.10593, section 4.
    """

    def __init__(self, size: int = 50) -> None:
        if size < 0:
            raise ValueError(f"size of the image pool must not be negative, got {size}; 0 keeps no images.")
        self.size = size
        self.images: list[torch.Tensor] = []

    def __call__(self, images: torch.Tensor, seeds: torch.Tensor) -> torch.Tensor:
        """Images to show to the discriminator, (B, ...), one for each new image.

        Args:
            images: new images (B, ...).
            seeds: (B,) int64, the ``sample_seed`` of the samples.
        """
        if self.size == 0:
            return images
        shown = []
        for image, seed in zip(images.detach(), seeds.tolist(), strict=True):
            if len(self.images) < self.size:
                self.images.append(image.float().cpu().clone())
                shown.append(image)
                continue
            place = int(torch.randint(2 * self.size, (1,), generator=generator_for(seed, "pool")))
            if place >= self.size:  # half of the draws: the new image itself
                shown.append(image)
            else:
                shown.append(self.images[place].to(image))
                self.images[place] = image.float().cpu().clone()
        return torch.stack(shown)

    def state_dict(self) -> dict[str, Any]:
        """The images."""
        return {"images": list(self.images)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take images of :meth:`state_dict`, at most as many as fit."""
        self.images = [image.clone() for image in state["images"][: self.size]]
