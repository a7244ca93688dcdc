"""Files that run a bundle from tensors to a volume, without this package: ONNX and TorchScript."""

from brain_bundles.export.export_bundle import export_bundle
from brain_bundles.export.forms import FORMS, form_of

__all__ = ["FORMS", "export_bundle", "form_of"]
