"""ONNX files, by torch's exporter of traces."""

from __future__ import annotations

import importlib
import tempfile
import warnings
from collections.abc import Mapping
from pathlib import Path

import torch

from brain_bundles.export.staged_norm import staged_norms
from brain_bundles.inferers import TensorModule

OPSET = 17  # the first one with LayerNormalization
MAX_BYTES = 2**31 - 2**24  # of weights: a file of protobuf ends at 2 GiB


def check_packages() -> None:
    """Raise ImportError, with what to install, if onnx or onnxruntime is missing."""
    for name in ("onnx", "onnxruntime"):
        try:
            importlib.import_module(name)
        except ImportError as error:
            raise ImportError(
                f"{name}: an export to ONNX needs it; install it with: pip install 'brain-bundles[export]'"
            ) from error


def encode(module: TensorModule) -> bytes:
    """The module as a file without a description.

    Raises:
        ValueError: for more weights than a file holds.
    """
    size = sum(one.numel() * one.element_size() for one in (*module.parameters(), *module.buffers()))
    if size > MAX_BYTES:
        raise ValueError(f"the weights have {size / 1e9:.1f} GB, an ONNX file holds 2; export to torchscript.")
    inputs = module.inputs()
    with (
        tempfile.TemporaryDirectory() as folder,
        warnings.catch_warnings(),
        torch.inference_mode(),
        staged_norms(module),
    ):
        # Timesteps and sizes become constants, as they should. That the inputs do not, another input shows.
        warnings.simplefilter("ignore", torch.jit.TracerWarning)
        # torch advises its newer exporter, which needs onnxscript.
        warnings.simplefilter("ignore", DeprecationWarning)
        # Shapes that it does not infer are in the trace; instance norms have no running statistics.
        warnings.filterwarnings("ignore", category=UserWarning, module=r"torch\.onnx")
        path = Path(folder) / "model.onnx"
        torch.onnx.export(
            module,
            tuple(inputs.values()),
            path,
            dynamo=False,
            input_names=list(inputs),
            output_names=[module.output[0]],
            opset_version=OPSET,
        )
        return path.read_bytes()


def run(code: bytes, inputs: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """Output of a file on the CPU, by onnxruntime."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(code, options, providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {name: value.numpy() for name, value in inputs.items()})
    return torch.from_numpy(found)


def with_description(code: bytes, description: str) -> bytes:
    """The file with a description, JSON, under ``metadata`` of its properties."""
    import onnx

    model = onnx.load_model_from_string(code)
    onnx.checker.check_model(model)
    onnx.helper.set_model_props(model, {"metadata": description})
    return model.SerializeToString()
