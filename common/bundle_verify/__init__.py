"""Static checks of MONAI bundles, any: nothing of a bundle is run, and nothing of this collection is imported."""

from bundle_verify.source import Finding, UnreadableBundleError
from bundle_verify.verify import verify

__all__ = ["Finding", "UnreadableBundleError", "verify"]
