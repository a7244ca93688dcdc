"""Instance norms of an ONNX file are as exact as torch's, also over a volume of a million voxels."""

from __future__ import annotations

import pytest
import torch
from brain_bundles.export import onnx_form
from brain_bundles.export.staged_norm import StagedInstanceNorm, staged_norms
from brain_bundles.inferers import SegmentationInferer
from torch import nn


@pytest.mark.parametrize("affine", [False, True])
def test_it_is_torch_s_norm(affine):
    norm = nn.InstanceNorm3d(3, affine=affine, eps=1e-3)
    if affine:
        nn.init.normal_(norm.weight)
        nn.init.normal_(norm.bias)
    image = torch.randn(2, 3, 5, 6, 7, generator=torch.Generator().manual_seed(0)) * 3 + 2
    torch.testing.assert_close(StagedInstanceNorm(norm)(image), norm(image))


def test_it_stands_in_for_a_while():
    network = nn.Sequential(nn.Sequential(nn.Conv3d(1, 2, 1), nn.InstanceNorm3d(2)), nn.InstanceNorm3d(2))
    kept = nn.InstanceNorm3d(2, track_running_stats=True)
    network.append(kept)
    before = list(network.modules())
    with staged_norms(network):
        assert [type(network[0][1]), type(network[1])] == [StagedInstanceNorm] * 2
        assert network[2] is kept
    assert list(network.modules()) == before
    with pytest.raises(KeyError), staged_norms(network):
        raise KeyError
    assert list(network.modules()) == before


def test_a_file_is_exact_over_a_large_volume():
    """A small bright brain in much air, of which a single sum in fp32 loses the mean."""
    onnxruntime = pytest.importorskip("onnxruntime")
    size = (96, 112, 96)
    generator = torch.Generator().manual_seed(0)
    network = nn.Sequential(nn.InstanceNorm3d(1), nn.Conv3d(1, 2, 1))
    with torch.no_grad():
        network[1].weight.copy_(torch.tensor([1.0, -1.0]).view(2, 1, 1, 1, 1))
        network[1].bias.zero_()
    module = SegmentationInferer().to_module(network, size).requires_grad_(False)
    image = torch.full((1, 1, *size), 10.0)
    image[..., 30:60, 30:70, 30:60] += torch.rand(30, 40, 30, generator=generator)
    exact = network.double()(image.double()).softmax(1)
    network.float()
    session = onnxruntime.InferenceSession(onnx_form.encode(module), providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {"image": image.numpy()})
    assert float((torch.from_numpy(found) - exact).abs().max()) < 1e-5
