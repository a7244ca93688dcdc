"""Weights of hubs that a user has as files."""

from pathlib import Path

import torch
from brain_bundles.utils.hub_weights import LPIPS_BACKBONES, backbone_from


def test_local_backbone_stands_where_torchvision_looks(tmp_path, monkeypatch):
    weights = tmp_path / "my_alexnet.pth"
    weights.write_bytes(b"weights")
    folders = [str(tmp_path / "hub")]
    monkeypatch.setattr(torch.hub, "get_dir", lambda: folders[-1])
    monkeypatch.setattr(torch.hub, "set_dir", folders.append)
    with backbone_from(str(weights), LPIPS_BACKBONES["alex"]):
        found = Path(torch.hub.get_dir()) / "checkpoints" / "alexnet-owt-7be5be79.pth"
        assert found.read_bytes() == b"weights"
    assert torch.hub.get_dir() == str(tmp_path / "hub")
