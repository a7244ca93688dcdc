"""Bundles for release: packing, publishing, and converting published weights."""

from brain_bundles.zoo.bundle_files import bundle_files
from brain_bundles.zoo.convert import convert
from brain_bundles.zoo.pack import Packed, check_version, pack, write_zip

__all__ = [
    "Packed",
    "bundle_files",
    "check_version",
    "convert",
    "pack",
    "write_zip",
]
