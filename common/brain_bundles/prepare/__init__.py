"""From a download as it is to a BIDS derivative that every training and every translation takes."""

from brain_bundles.prepare.options import Options
from brain_bundles.prepare.runner import prepare

__all__ = ["Options", "prepare"]
