"""Pictures of volumes."""

from brain_bundles.visualize.montage import plane_image, save_montage
from brain_bundles.visualize.overlay import overlay
from brain_bundles.visualize.training_images import Reconstructions, Samples

__all__ = [
    "Reconstructions",
    "Samples",
    "overlay",
    "plane_image",
    "save_montage",
]
