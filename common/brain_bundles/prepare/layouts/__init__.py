"""Layouts of downloads: how each is recognised, and how it is read.

A layout is a module with ``matches(root)`` and ``read(root, work_dir)``; the last one takes any folder of images.
"""

from brain_bundles.prepare.layouts.registry import LAYOUTS, detect, read_download

__all__ = ["LAYOUTS", "detect", "read_download"]
