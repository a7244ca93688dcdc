"""The configs of a bundle, one over the other."""

from __future__ import annotations

from collections.abc import Sequence

from monai.bundle import ConfigParser
from timed_training import ROOT


def read_configs(bundle: str, files: Sequence[str]) -> ConfigParser:
    """Parser of some configs by their names without the ending; the later ones lie over the first."""
    config = ConfigParser()
    config.read_config([str(ROOT / "bundles" / bundle / "configs" / f"{name}.json") for name in files])
    return config
