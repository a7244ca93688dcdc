"""Bundles for release: packing, fetching and finding them, and converting published weights."""

from brain_bundles.zoo.bundle_files import bundle_files
from brain_bundles.zoo.convert import convert
from brain_bundles.zoo.find_bundle import find_bundle
from brain_bundles.zoo.get_bundle import get_bundle
from brain_bundles.zoo.pack import Packed, check_version, pack, write_zip
from brain_bundles.zoo.release_index import Release, find_release

__all__ = [
    "Packed",
    "Release",
    "bundle_files",
    "check_version",
    "convert",
    "find_bundle",
    "find_release",
    "get_bundle",
    "pack",
    "write_zip",
]
