"""What MONAI's handlers lack: full resume, progress, averages of weights, previews."""

from brain_bundles.handlers.checkpoint import ResumableCheckpoint
from brain_bundles.handlers.losses import scalar_losses
from brain_bundles.handlers.model_saver import ModelSaver, save_network
from brain_bundles.handlers.progress_bar import ProgressBar
from brain_bundles.handlers.sample_saver import SampleSaver, write_preview

__all__ = [
    "ModelSaver",
    "ProgressBar",
    "ResumableCheckpoint",
    "SampleSaver",
    "save_network",
    "scalar_losses",
    "write_preview",
]
