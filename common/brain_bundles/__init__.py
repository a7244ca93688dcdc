"""The recipe that all bundles share: data, networks, schedulers, inferers, engines and handlers on top of MONAI."""

from brain_bundles.user_warning import BrainBundlesWarning
from brain_bundles.version import __version__

__all__ = ["BrainBundlesWarning", "__version__"]
