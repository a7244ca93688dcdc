"""Static checks of any MONAI bundle: they run nothing of it and import nothing of this collection."""

from bundle_verify.report import Finding, Report
from bundle_verify.source import UnreadableBundleError
from bundle_verify.verify import verify

__all__ = ["Finding", "Report", "UnreadableBundleError", "verify"]
