"""The collection as a zoo: releases that MONAI's own tools download, and a look at them before they run."""

from brain_bundles.zoo.bundle_files import bundle_files
from brain_bundles.zoo.convert import convert
from brain_bundles.zoo.manifest import MANIFEST, differences, manifest_text, read_manifest
from brain_bundles.zoo.pack import Packed, check_version, pack, write_zip
from brain_bundles.zoo.release import require_version
from brain_bundles.zoo.source import Finding, UnreadableBundleError
from brain_bundles.zoo.verify import verify

__all__ = [
    "MANIFEST",
    "Finding",
    "Packed",
    "UnreadableBundleError",
    "bundle_files",
    "check_version",
    "convert",
    "differences",
    "manifest_text",
    "pack",
    "read_manifest",
    "require_version",
    "verify",
    "write_zip",
]
