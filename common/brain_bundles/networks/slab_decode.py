"""Exact decoding of MONAI's 3D AutoencoderKL in slabs along the first spatial axis, with bounded memory.

Usual tiled decoding shows seams, because each tile normalises with its own statistics. Here every GroupNorm uses the
statistics of the whole volume (a ChannelNorm needs none), and every convolution sees the neighbours of its slab: the
output equals the plain decoder's up to rounding. Memory and time are saved in three ways:

* Norm, SiLU and convolution run slab by slab, so that only the input and the output exist in full. Most results
  overwrite tensors that are no longer needed; the one old slice that the next slab needs is kept.
* Nearest upsampling and its 3x3x3 convolution are folded into one transposed convolution with a 4x4x4 kernel and
  stride 2. Each output voxel has 8 taps in place of 27, and the upsampled tensor never exists.
* The samples of a batch are decoded one after the other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, cast

import torch
import torch.nn.functional as F
from monai.networks.blocks import Upsample
from monai.networks.nets.autoencoderkl import AEKLResBlock, Decoder
from torch import nn

from brain_bundles.networks.channel_norm import ChannelNorm
from brain_bundles.networks.volume_norm import VolumeNorm

Norm = Callable[[torch.Tensor], torch.Tensor]


@torch.no_grad()
def decode_in_slabs(decoder: Decoder, z: torch.Tensor, slab_size: int) -> torch.Tensor:
    """Compute ``decoder(z)`` in a fraction of its memory and without gradients.

    Args:
        decoder: a 3D decoder of :class:`monai.networks.nets.AutoencoderKL`; attention blocks run on the whole volume.
        z: the input of the decoder (B, latent_channels, d, h, w).
        slab_size: slices of a feature map to process at once; 8 to 16 is fast and small.

    Returns:
        images (B, out_channels, D, H, W).

    Raises:
        ValueError: when ``slab_size`` is not a positive integer or ``z`` is not five-dimensional.
    """
    if isinstance(slab_size, bool) or not isinstance(slab_size, int) or slab_size < 1:
        raise ValueError(f"slab_size must be a positive number of slices (8 is a good one), got {slab_size!r}.")
    if z.ndim != 5:
        raise ValueError(f"decoding in slabs is for 3D volumes (B, C, D, H, W), got shape {tuple(z.shape)}.")
    return torch.cat([_decode_one(decoder, sample, slab_size) for sample in z.split(1)])


def _decode_one(decoder: Decoder, z: torch.Tensor, slab_size: int) -> torch.Tensor:
    *blocks, last_norm, last_conv = cast(nn.ModuleList, decoder.blocks)
    x, spare = z, None
    for block in blocks:
        if isinstance(block, AEKLResBlock):
            x, spare = _res_block(block, x, spare, slab_size)
            continue
        spare = None  # freed before the next level needs its room
        if isinstance(block, Upsample):
            x = _upsample(block, x, slab_size)
        else:  # the first convolution, and attention; the strides of its output fit no memory format
            x = block(x)
            x = x.clone(memory_format=torch.channels_last_3d if x.stride(1) == 1 else torch.contiguous_format)
    norm = _norm(last_norm, x, slab_size, activation=False)
    image = None
    for start, stop in slabs(x.shape[2], slab_size):
        image = _store(image, _conv(norm, last_conv, x, start, stop), start, x.shape[2])
    assert image is not None
    return image


def _res_block(
    block: Any, x: torch.Tensor, spare: torch.Tensor | None, slab_size: int
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Output of the block, and a tensor of its size that may be overwritten. ``x`` and ``spare`` become invalid."""
    depth, width = x.shape[2], block.out_channels
    if isinstance(block.nin_shortcut, nn.Identity) or x.shape[1] < 2 * width:
        norm = _norm(block.norm1, x, slab_size)
        hidden = spare
        for start, stop in slabs(depth, slab_size):
            hidden = _store(hidden, _conv(norm, block.conv1, x, start, stop), start, depth)
        assert hidden is not None
        norm, kept = _norm(block.norm2, hidden, slab_size), None
        for start, stop in slabs(depth, slab_size):
            slab = _conv(norm, block.conv2, hidden, start, stop, kept)
            kept = hidden[:, :, stop - 1 : stop].clone()
            hidden[:, :, start:stop] = slab.add_(block.nin_shortcut(x[:, :, start:stop]))
        return hidden, x if x.shape == hidden.shape else None

    # The input is at least twice as wide: the skip connection and the hidden features both fit into its place.
    norm, kept = _norm(block.norm1, x, slab_size), None
    for start, stop in slabs(depth, slab_size):
        slab = _conv(norm, block.conv1, x, start, stop, kept)
        skipped = block.nin_shortcut(x[:, :, start:stop])
        kept = x[:, :, stop - 1 : stop].clone()
        x[:, :width, start:stop] = skipped
        x[:, width : 2 * width, start:stop] = slab
    skip, hidden = x[:, :width], x[:, width : 2 * width]
    norm = _norm(block.norm2, hidden, slab_size)
    for start, stop in slabs(depth, slab_size):
        skip[:, :, start:stop] += _conv(norm, block.conv2, hidden, start, stop)
    return skip, hidden


def _norm(norm: nn.Module, x: torch.Tensor, slab_size: int, *, activation: bool = True) -> Norm:
    """The normalisation of a slab of ``x`` as a part of the whole, with SiLU."""
    if isinstance(norm, ChannelNorm):
        return nn.Sequential(norm, nn.SiLU()) if activation else norm
    return VolumeNorm(cast(nn.GroupNorm, norm), x, slab_size, activation=activation)


def _conv(
    norm: Norm, conv: Any, x: torch.Tensor, start: int, stop: int, kept: torch.Tensor | None = None
) -> torch.Tensor:
    """Slices ``start`` to ``stop`` of ``conv(norm(x))`` for a 3x3x3 convolution with padding 1.

    ``kept`` is slice ``start - 1`` if ``x`` no longer holds it.
    """
    depth = x.shape[2]
    lower, upper = max(start - 1, 0), min(stop + 1, depth)
    slab = x[:, :, lower:upper] if kept is None else torch.cat([kept, x[:, :, start:upper]], dim=2)
    slab = _pad_ends(norm(slab), start == 0, stop == depth)
    return F.conv3d(slab, conv.conv.weight, conv.conv.bias, padding=(0, 1, 1))


def _upsample(block: Any, x: torch.Tensor, slab_size: int) -> torch.Tensor:
    """Output of the block; nearest upsampling and its convolution become one transposed convolution."""
    nearest = getattr(block, "upsample_non_trainable", None)
    depth = x.shape[2]
    weight = None if nearest is None else fold_upsampling(block.postconv.conv.weight)
    result = None
    for start, stop in slabs(depth, max(1, slab_size // 2)):
        if weight is None:  # trained upsampling by a 2x2x2 kernel with stride 2 has no neighbours
            slab = block(x[:, :, start:stop])
        else:
            slab = _pad_ends(x[:, :, max(start - 1, 0) : stop + 1], start == 0, stop == depth)
            slab = F.conv_transpose3d(slab, weight, block.postconv.conv.bias, stride=2, padding=(3, 1, 1))
        result = _store(result, slab, 2 * start, 2 * depth)
    assert result is not None
    return result


def fold_upsampling(weight: torch.Tensor) -> torch.Tensor:
    """Weight of the transposed convolution (stride 2, padding 1) that equals nearest upsampling by 2 and a convolution.

    Along one axis output 2 i sees the inputs i - 1, i, i with weights w0, w1, w2, and output 2 i + 1 sees i, i, i + 1.

    Args:
        weight: weight of the 3x3x3 convolution with padding 1, (out, in, 3, 3, 3).

    Returns:
        tensor (in, out, 4, 4, 4).
    """
    fold = weight.new_tensor([[0, 0, 1], [0, 1, 1], [1, 1, 0], [1, 0, 0]])
    return torch.einsum("oiabc,xa,yb,zc->ioxyz", weight, fold, fold, fold).contiguous()


def slabs(depth: int, slab_size: int) -> Iterator[tuple[int, int]]:
    """Start and stop of consecutive slabs; the last one may be thinner."""
    for start in range(0, depth, slab_size):
        yield start, min(start + slab_size, depth)


def _pad_ends(slab: torch.Tensor, first: bool, last: bool) -> torch.Tensor:
    """Add a slice of zeros at the ends of the volume, where a convolution of the whole volume would pad."""
    return F.pad(slab, (0, 0, 0, 0, int(first), int(last))) if first or last else slab


def _store(volume: torch.Tensor | None, slab: torch.Tensor, start: int, depth: int) -> torch.Tensor:
    """Write a slab into the volume; the first slab decides dtype, device and memory format of a new one."""
    if volume is None:
        if slab.shape[2] == depth:
            return slab
        last = slab.is_contiguous(memory_format=torch.channels_last_3d) and not slab.is_contiguous()
        volume = torch.empty(
            (*slab.shape[:2], depth, *slab.shape[3:]),
            dtype=slab.dtype,
            device=slab.device,
            memory_format=torch.channels_last_3d if last else torch.contiguous_format,
        )
    volume[:, :, start : start + slab.shape[2]] = slab
    return volume
