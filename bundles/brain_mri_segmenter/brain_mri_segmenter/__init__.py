"""Pictures of the segmenter's training."""

from brain_mri_segmenter.preview_segmentations import PreviewSegmentations

__all__ = ["PreviewSegmentations"]
