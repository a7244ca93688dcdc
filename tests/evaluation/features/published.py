"""Published residual networks written down by hand, as functions of their state dicts; nothing of MONAI's."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch.nn import functional

Weights = dict[str, torch.Tensor]
PLANES = (64, 128, 256, 512)


def random_resnet(
    dims: int, blocks: tuple[int, ...], channels: int, *, bottleneck: bool, bias: bool, seed: int = 0
) -> Weights:
    """A state dict with PyTorch's names whose norms have statistics of their own, so that each of them matters."""
    generator = torch.Generator().manual_seed(seed)
    weights: Weights = {}

    def convolution(name: str, out: int, into: int, kernel: int) -> None:
        shape = (out, into, *(kernel,) * dims)
        weights[f"{name}.weight"] = torch.randn(shape, generator=generator) * (2 / (into * kernel**dims)) ** 0.5
        if bias:
            weights[f"{name}.bias"] = 0.3 * torch.randn(out, generator=generator)

    def norm(name: str, out: int) -> None:
        weights[f"{name}.weight"] = 0.5 + torch.rand(out, generator=generator)
        weights[f"{name}.bias"] = 0.2 * torch.randn(out, generator=generator)
        weights[f"{name}.running_mean"] = 0.2 * torch.randn(out, generator=generator)
        weights[f"{name}.running_var"] = 0.5 + torch.rand(out, generator=generator)
        weights[f"{name}.num_batches_tracked"] = torch.tensor(7)

    convolution("conv1", 64, channels, 7)
    norm("bn1", 64)
    into = 64
    for stage, (planes, number) in enumerate(zip(PLANES, blocks, strict=True), start=1):
        out = planes * (4 if bottleneck else 1)
        for block in range(number):
            at = f"layer{stage}.{block}"
            shapes = ((planes, into, 1), (planes, planes, 3), (out, planes, 1))
            for index, shape in enumerate(shapes if bottleneck else ((planes, into, 3), (planes, planes, 3)), start=1):
                convolution(f"{at}.conv{index}", *shape)
                norm(f"{at}.bn{index}", shape[0])
            if block == 0 and (stage > 1 or into != out):
                convolution(f"{at}.downsample.0", out, into, 1)
                norm(f"{at}.downsample.1", out)
            into = out
    return weights


def run(
    weights: Weights,
    x: torch.Tensor,
    *,
    eps: float,
    strides: tuple[int, ...],
    dilations: tuple[int, ...],
    stride_first: bool,
) -> dict[str, torch.Tensor]:
    """Outputs of the first convolution's block and of each stage, by name.

    Args:
        weights: state dict.
        x: (B, C, ...) with two or three spatial axes.
        eps: of the norms.
        strides, dilations: of each stage.
        stride_first: the stride is in the first convolution of a block, as in Keras, not in the first of size 3.
    """
    conv: Callable = functional.conv2d if x.ndim == 4 else functional.conv3d
    pool: Callable = functional.max_pool2d if x.ndim == 4 else functional.max_pool3d

    def convolve(name: str, x: torch.Tensor, stride: int = 1, dilation: int = 1) -> torch.Tensor:
        kernel = weights[f"{name}.weight"]
        padding = dilation * (kernel.shape[-1] // 2)
        return conv(x, kernel, weights.get(f"{name}.bias"), stride, padding, dilation)

    def norm(name: str, x: torch.Tensor) -> torch.Tensor:
        mean, var, scale, shift = (
            weights[f"{name}.{part}"].reshape(1, -1, *(1,) * (x.ndim - 2))
            for part in ("running_mean", "running_var", "weight", "bias")
        )
        return (x - mean) / (var + eps).sqrt() * scale + shift

    outputs = {"conv1": torch.relu(norm("bn1", convolve("conv1", x, 2)))}
    x = pool(outputs["conv1"], 3, 2, 1)
    for stage in range(1, 5):
        block = 0
        while f"layer{stage}.{block}.conv1.weight" in weights:
            at = f"layer{stage}.{block}"
            stride, dilation = (strides[stage - 1] if block == 0 else 1), dilations[stage - 1]
            last = 3 if f"{at}.conv3.weight" in weights else 2
            strided = 1 if stride_first or last == 2 else 2
            y = x
            for index in range(1, last + 1):
                wide = weights[f"{at}.conv{index}.weight"].shape[-1] == 3
                y = convolve(f"{at}.conv{index}", y, stride if index == strided else 1, dilation if wide else 1)
                y = norm(f"{at}.bn{index}", y)
                y = torch.relu(y) if index < last else y
            if f"{at}.downsample.0.weight" in weights:
                x = norm(f"{at}.downsample.1", convolve(f"{at}.downsample.0", x, stride))
            x, block = torch.relu(x + y), block + 1
        outputs[f"layer{stage}"] = x
    return outputs


def medicalnet(weights: Weights, x: torch.Tensor) -> dict[str, torch.Tensor]:
    """github.com/Tencent/MedicalNet, models/resnet.py: the last two stages have stride 1 and dilations 2 and 4."""
    return run(weights, x, eps=1e-5, strides=(1, 2, 1, 1), dilations=(1, 1, 2, 4), stride_first=False)


def radimagenet(weights: Weights, x: torch.Tensor) -> dict[str, torch.Tensor]:
    """Keras' ResNet50, as RadImageNet was trained: biases, and the stride in the first convolution of a block."""
    return run(weights, x, eps=1.001e-5, strides=(1, 2, 2, 2), dilations=(1, 1, 1, 1), stride_first=True)
