import pytest
import torch
from brain_bundles.evaluation.features import NetworkEncoder
from brain_bundles.utils import hash_file
from monai.networks.nets import SegResNet
from torch import nn


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv3d(1, 3, 3, padding=1), nn.ReLU(inplace=True), nn.Conv3d(3, 2, 2, stride=2))


def volumes(batch: int = 2, side: int = 8) -> torch.Tensor:
    return torch.rand(batch, 1, side, side, side, generator=torch.Generator().manual_seed(1))


def test_averages_and_deviations_of_maps():
    net = network()
    encoder = NetworkEncoder(net, ["2", "0"], statistics=["std", "mean"])
    with torch.no_grad():
        maps = net[2](torch.relu(net[0](volumes()))), net[0](volumes())  # layer 0 before the activation changes it
    expected = [part for one in maps for part in (one.flatten(2).std(-1, correction=0), one.flatten(2).mean(-1))]
    torch.testing.assert_close(encoder(volumes()), torch.cat(expected, dim=1))
    assert encoder.record.num_features == 2 * 2 + 2 * 3
    assert encoder.record.name == "Sequential"


def test_logarithms_of_deviations_and_of_maps_without_any():
    net = network()
    encoder = NetworkEncoder(net, ["2"], statistics=["log_std"])
    std = net[2](torch.relu(net[0](volumes()))).detach().flatten(2).std(-1, correction=0)
    torch.testing.assert_close(encoder(volumes()), std.log())
    flat = encoder(torch.zeros(1, 1, 8, 8, 8))
    assert torch.isfinite(flat).all()


def test_no_hook_stays():
    net = network()
    encoder = NetworkEncoder(net, ["2"])
    encoder(volumes())
    with pytest.raises(RuntimeError):
        encoder(volumes(side=1))  # smaller than the kernel
    assert [len(module._forward_hooks) for module in net.modules()] == [0, 0, 0, 0]


def test_a_segmentation_network_of_monai(tmp_path):
    net = SegResNet(spatial_dims=3, init_filters=8, in_channels=1, out_channels=3, blocks_down=(1, 1), blocks_up=(1,))
    torch.save(net.state_dict(), tmp_path / "segmenter.pt")
    torch.manual_seed(3)
    other = SegResNet(spatial_dims=3, init_filters=8, in_channels=1, out_channels=3, blocks_down=(1, 1), blocks_up=(1,))
    encoder = NetworkEncoder(other, ["down_layers.0", "down_layers.1"], path=tmp_path / "segmenter.pt")
    torch.testing.assert_close(encoder(volumes()), NetworkEncoder(net, ["down_layers.0", "down_layers.1"])(volumes()))
    assert encoder.record.num_features == 8 + 16
    assert encoder.record.weights == hash_file(tmp_path / "segmenter.pt")


def test_the_shipped_autoencoder(autoencoder, autoencoder_path, autoencoder_encoder):
    record = autoencoder_encoder.record
    assert record.weights == hash_file(autoencoder_path)
    assert record.settings["recipe"] == {"suffix": "T1w", "spacing": 2.0, "intensity_scale": "median"}
    assert record.num_features == 2 * (32 + 96)
    two = volumes(side=32)
    together = autoencoder_encoder(two)
    torch.testing.assert_close(together[1:], autoencoder_encoder(two[1:]), rtol=1e-4, atol=1e-5)
    # Loaded already, as a config's network is, it has the same record.
    again = NetworkEncoder(autoencoder, record.settings["layers"], part="encode", statistics=("mean", "std"))
    assert again.record == record


def test_only_the_part_runs(autoencoder):
    autoencoder.decoder.forward = None  # it would raise
    assert NetworkEncoder(autoencoder, ["encoder.blocks.0"], part="encode")(volumes()).shape == (2, 32)
    with pytest.raises(TypeError):
        NetworkEncoder(autoencoder, ["encoder.blocks.0"])


def test_wrong_layers_and_files(tmp_path):
    with pytest.raises(ValueError, match="Sequential has no layer head, 7; it has 0, 1, 2"):
        NetworkEncoder(network(), ["7"], part="head")
    with pytest.raises(ValueError, match=r"layers is \[\], expected different names"):
        NetworkEncoder(network(), [])
    with pytest.raises(ValueError, match=r"layers is \['0', '0'\]"):
        NetworkEncoder(network(), ["0", "0"])
    with pytest.raises(ValueError, match=r"statistics is \['median'\], expected some of mean, std"):
        NetworkEncoder(network(), ["0"], statistics=["median"])
    with pytest.raises(FileNotFoundError, match=r"nowhere.pt does not exist"):
        NetworkEncoder(network(), ["0"], path=tmp_path / "nowhere.pt")
    torch.save({"a": torch.zeros(1)}, tmp_path / "other.pt")
    with pytest.raises(ValueError, match=r"other.pt does not fit Sequential: 4 missing in the file"):
        NetworkEncoder(network(), ["0"], path=tmp_path / "other.pt")


class Twice(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer, self.unused, self.pair = nn.Conv3d(1, 1, 1), nn.Conv3d(1, 1, 1), Pair()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layer(self.layer(x)) + self.pair(x)[0]


class Pair(nn.Module):
    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return x, x


def test_layers_that_give_no_map_once():
    with pytest.raises(ValueError, match="layer layer runs 2 times; choose one that runs once"):
        NetworkEncoder(Twice(), ["layer"])
    with pytest.raises(ValueError, match="layer unused runs 0 times"):
        NetworkEncoder(Twice(), ["unused"])
    with pytest.raises(ValueError, match=r"layer pair gives tuple, expected one map \(B, C, ...\)"):
        NetworkEncoder(Twice(), ["pair"])
