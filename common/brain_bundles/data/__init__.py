"""Data on disk (BIDS) and the data sets that feed training and sampling."""

from brain_bundles.data.bids import (
    derived_path,
    image_path,
    segmentation_path,
    write_dataset_description,
    write_segmentation_description,
)
from brain_bundles.data.bids_index import BidsIndex, Scan
from brain_bundles.data.bids_names import BidsName, parse_name
from brain_bundles.data.brain_classes import class_names
from brain_bundles.data.checks import check_image, check_images, image_problem
from brain_bundles.data.contrast_datalist import contrast_datalist
from brain_bundles.data.contrast_spellings import contrast_of
from brain_bundles.data.covariates import Covariates, CovariateScaler
from brain_bundles.data.datalists import (
    bids_datalist,
    checked_datalist,
    image_datalist,
    paired_datalist,
)
from brain_bundles.data.encoding import measure_latent_statistics
from brain_bundles.data.epoch_sampler import EpochIndex, EpochSampler
from brain_bundles.data.generated_latents import GeneratedLatents, write_latents
from brain_bundles.data.grid import grid_affine
from brain_bundles.data.in_order_sampler import InOrderSampler
from brain_bundles.data.latents import CachedLatents
from brain_bundles.data.lazy import LazySequence, prepare_data
from brain_bundles.data.nifti import is_complete_nifti, write_labels, write_nifti
from brain_bundles.data.participants import read_participants, read_tsv, write_participants, write_split
from brain_bundles.data.problems import DatasetError, ImageError
from brain_bundles.data.read_image import Image, read_header, read_image, read_values, to_ras
from brain_bundles.data.rendered import (
    ArrayImage,
    RenderedDataset,
    RenderedImage,
    RenderedItems,
    image_dataset,
    target_key,
)
from brain_bundles.data.seeded_dataset import SeededDataset
from brain_bundles.data.segmentation_datalist import segmentation_datalist
from brain_bundles.data.skip_unusable_dataset import SkipUnusableDataset
from brain_bundles.data.training_data import TrainingData
from brain_bundles.data.unpaired_dataset import UnpairedDataset
from brain_bundles.data.volumes import write_volumes

__all__ = [
    "ArrayImage",
    "BidsIndex",
    "BidsName",
    "CachedLatents",
    "CovariateScaler",
    "Covariates",
    "DatasetError",
    "EpochIndex",
    "EpochSampler",
    "GeneratedLatents",
    "Image",
    "ImageError",
    "InOrderSampler",
    "LazySequence",
    "RenderedDataset",
    "RenderedImage",
    "RenderedItems",
    "Scan",
    "SeededDataset",
    "SkipUnusableDataset",
    "TrainingData",
    "UnpairedDataset",
    "bids_datalist",
    "check_image",
    "check_images",
    "checked_datalist",
    "class_names",
    "contrast_datalist",
    "contrast_of",
    "derived_path",
    "grid_affine",
    "image_datalist",
    "image_dataset",
    "image_path",
    "image_problem",
    "is_complete_nifti",
    "measure_latent_statistics",
    "paired_datalist",
    "parse_name",
    "prepare_data",
    "read_header",
    "read_image",
    "read_participants",
    "read_tsv",
    "read_values",
    "segmentation_datalist",
    "segmentation_path",
    "target_key",
    "to_ras",
    "write_dataset_description",
    "write_labels",
    "write_latents",
    "write_nifti",
    "write_participants",
    "write_segmentation_description",
    "write_split",
    "write_volumes",
]
