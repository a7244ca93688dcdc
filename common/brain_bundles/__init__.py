"""The recipe that all bundles share: data, networks, schedulers, inferers, engines and handlers on top of MONAI."""

from typing import TYPE_CHECKING

from brain_bundles.version import __version__

if TYPE_CHECKING:
    from brain_bundles.bundle import load
    from brain_bundles.utils.user_warning import BrainBundlesWarning

__all__ = ["BrainBundlesWarning", "__version__", "load"]


def __getattr__(name: str) -> object:
    # On demand, since utils brings torch, which takes seconds: ``python -m brain_bundles --help`` must not wait for it.
    if name == "BrainBundlesWarning":
        from brain_bundles.utils.user_warning import BrainBundlesWarning

        return BrainBundlesWarning
    if name == "load":
        from brain_bundles.bundle import load

        return load
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
