import pytest
import torch
from brain_bundles.evaluation.features import Med3DEncoder
from brain_bundles.evaluation.features.med3d import medicalnet
from brain_bundles.utils import hash_file
from monai.networks.nets import resnet10

BLOCKS = {10: (1, 1, 1, 1), 50: (3, 4, 6, 3)}


@pytest.fixture(params=[10, 50])
def depth(request):
    return request.param


@pytest.fixture
def weights(published, depth):
    return published.random_resnet(3, BLOCKS[depth], 1, bottleneck=depth == 50, bias=False)


@pytest.fixture
def path(weights, tmp_path):
    """As the authors published it: from DataParallel, beside other entries, in the format before torch 1.6."""
    state = {f"module.{name}": value for name, value in weights.items()}
    torch.save({"state_dict": state, "epoch": 1}, tmp_path / "resnet.pth", _use_new_zipfile_serialization=False)
    return tmp_path / "resnet.pth"


def volumes(batch: int = 2) -> torch.Tensor:
    return torch.rand(batch, 1, 17, 24, 20, generator=torch.Generator().manual_seed(1))


def test_every_stage_is_that_of_the_published_network(published, weights, path, depth):
    encoder = Med3DEncoder(path, depth=depth)
    outputs = {}
    for name in ("layer1", "layer2", "layer3", "layer4"):
        encoder.network.get_submodule(name).register_forward_hook(
            lambda _module, _args, output, name=name: outputs.update({name: output.clone()})
        )
    features = encoder(volumes())
    x = volumes()
    x = torch.stack([(one - one.mean()) / one.std() for one in x])
    expected = published.medicalnet(weights, x)
    for name, output in outputs.items():
        assert output.shape == expected[name].shape, name
        scale = float(expected[name].abs().max())
        torch.testing.assert_close(output / scale, expected[name] / scale, rtol=0, atol=2e-5)  # float32, 50 layers
    torch.testing.assert_close(features, expected["layer4"].mean((2, 3, 4)), rtol=1e-4, atol=1e-4 * scale)
    assert features.shape == (2, encoder.record.num_features)


@pytest.mark.parametrize("depth", [10], indirect=True)
def test_monai_takes_the_same_weights_and_is_another_network(published, weights):
    """The trap in the docstring: nothing is raised, the map is a quarter as large in each direction."""
    plain = resnet10(spatial_dims=3, n_input_channels=1, conv1_t_stride=2, bias_downsample=False, feed_forward=False)
    ours = medicalnet(10)
    for network in (plain, ours):
        network.load_state_dict(weights)
        network.eval()
    with torch.no_grad():
        theirs, mine = plain(volumes()), ours(volumes())
        expected = published.medicalnet(weights, volumes())["layer4"].mean((2, 3, 4))
    torch.testing.assert_close(mine, expected, rtol=1e-3, atol=1e-4 * float(expected.abs().max()))
    assert float((theirs - expected).abs().mean()) > 0.05 * float(expected.abs().mean())


@pytest.mark.parametrize("depth", [10], indirect=True)
def test_the_record_and_what_the_z_score_takes_away(path):
    encoder = Med3DEncoder(path, depth=10)
    assert encoder.record.weights == hash_file(path)
    assert (encoder.record.name, encoder.record.num_features) == ("Med3D ResNet-10", 512)
    torch.testing.assert_close(encoder(0.2 * volumes() + 0.3), encoder(volumes()), rtol=1e-3, atol=1e-3)
    with pytest.raises(ValueError, match="a volume is constant"):
        encoder(torch.ones(1, 1, 16, 16, 16))


@pytest.mark.parametrize("depth", [10], indirect=True)
def test_a_plain_state_dict_is_the_same(weights, path, tmp_path):
    torch.save(weights, tmp_path / "plain.pth")
    assert torch.equal(
        Med3DEncoder(tmp_path / "plain.pth", depth=10)(volumes()), Med3DEncoder(path, depth=10)(volumes())
    )


@pytest.mark.parametrize("depth", [10], indirect=True)
def test_wrong_files(weights, path, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nowhere.pth does not exist; expected the ResNet-50 of MedicalNet"):
        Med3DEncoder(tmp_path / "nowhere.pth")
    with pytest.raises(ValueError, match=r"resnet.pth does not fit: .* missing in the file: .*expected the ResNet-50"):
        Med3DEncoder(path, depth=50)
    with pytest.raises(ValueError, match="depth is 18, expected 10 or 50"):
        Med3DEncoder(path, depth=18)
    (tmp_path / "text.pth").write_text("no weights")
    with pytest.raises(ValueError, match=r"text.pth \(10 bytes\) cannot be read as plain tensors"):
        Med3DEncoder(tmp_path / "text.pth", depth=10)
    torch.save({"state_dict": {"a": 1}}, tmp_path / "numbers.pth")
    with pytest.raises(ValueError, match=r"numbers.pth is not a state dict of tensors; expected the ResNet-10"):
        Med3DEncoder(tmp_path / "numbers.pth", depth=10)


class Code:
    def __reduce__(self):
        return print, ("executed",)


def test_no_code_of_a_file_is_run(tmp_path, capsys):
    torch.save({"state_dict": {}, "optimiser": Code()}, tmp_path / "code.pth")
    with pytest.raises(ValueError, match=r"code.pth .* cannot be read as plain tensors"):
        Med3DEncoder(tmp_path / "code.pth", depth=10)
    assert "executed" not in capsys.readouterr().out
