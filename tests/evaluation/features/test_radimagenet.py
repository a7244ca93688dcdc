import pytest
import torch
from brain_bundles.evaluation.features import RadImageNetEncoder
from brain_bundles.utils import hash_file

BLOCKS = (3, 4, 6, 3)


@pytest.fixture(scope="module")
def weights(published):
    return published.random_resnet(2, BLOCKS, 3, bottleneck=True, bias=True)


@pytest.fixture(scope="module")
def path(weights, tmp_path_factory):
    path = tmp_path_factory.mktemp("radimagenet") / "RadImageNet-ResNet50_notop.pth"
    torch.save(weights, path)
    return path


@pytest.fixture(scope="module")
def encoder(path):
    return RadImageNetEncoder(path, centre_ratio=0.2)


def volumes(batch: int = 2) -> torch.Tensor:
    return torch.rand(batch, 1, 20, 25, 30, generator=torch.Generator().manual_seed(1))


def test_every_stage_is_that_of_the_published_network(published, weights, encoder):
    """Keras' network by hand: biases, strides in the first convolutions, another epsilon."""
    x = torch.randn(2, 3, 63, 50, generator=torch.Generator().manual_seed(2))
    outputs = {}
    hooks = [
        encoder.network.get_submodule(name).register_forward_hook(
            lambda _module, _args, output, name=name: outputs.update({name: output.clone()})
        )
        for name in ("layer1", "layer2", "layer3", "layer4")
    ]
    with torch.no_grad():
        encoder.network.eval()(x)
    for hook in hooks:
        hook.remove()
    expected = published.radimagenet(weights, x)
    for name, output in outputs.items():
        assert output.shape == expected[name].shape, name
        scale = float(expected[name].abs().max())
        torch.testing.assert_close(output / scale, expected[name] / scale, rtol=0, atol=2e-5)  # float32, 50 layers


def test_slices_of_three_planes_by_hand(published, weights, encoder):
    features = encoder(volumes())
    assert features.shape == (2, encoder.record.num_features) == (2, 6144)
    mean = torch.tensor([0.406, 0.456, 0.485]).reshape(1, 3, 1, 1)
    expected = []
    for volume in volumes()[:, 0]:
        planes = []
        for first, last, plane in ((8, 12, volume), (10, 15, volume.movedim(1, 0)), (12, 18, volume.movedim(2, 0))):
            slices = plane[first:last]
            scaled = (slices - slices.min()) / (slices.max() - slices.min())
            images = scaled[:, None].repeat(1, 3, 1, 1) - mean
            planes.append(published.radimagenet(weights, images)["layer4"].mean((2, 3)).mean(0))
        expected.append(torch.cat(planes))
    torch.testing.assert_close(features, torch.stack(expected), rtol=1e-3, atol=1e-4 * float(features.abs().max()))


def test_features_of_slices(encoder):
    slices = encoder.slice_features(volumes())
    assert {plane: tuple(one.shape) for plane, one in slices.items()} == {
        "sagittal": (2, 4, 2048),
        "coronal": (2, 5, 2048),
        "axial": (2, 6, 2048),
    }
    joined = torch.cat([one.mean(1) for one in slices.values()], dim=1)
    torch.testing.assert_close(joined, encoder(volumes()))


def test_a_volume_does_not_depend_on_its_batch_nor_on_the_slices_at_once(encoder, path):
    brighter = torch.cat([volumes(1), 5 * volumes(1) + 2])
    together = encoder(brighter)
    largest = float(together.abs().max())
    torch.testing.assert_close(together[0], encoder(brighter[:1])[0], rtol=0, atol=1e-5 * largest)
    # The normalisation takes brightness and range away.
    torch.testing.assert_close(together[1], together[0], rtol=0, atol=1e-5 * largest)
    few = RadImageNetEncoder(path, centre_ratio=0.2, slices_at_once=3)
    torch.testing.assert_close(few(brighter), together, rtol=0, atol=1e-5 * largest)


def test_the_record(encoder, path):
    assert encoder.record.weights == hash_file(path)
    assert encoder.record.settings == {"centre_ratio": 0.2, "planes": ["sagittal", "coronal", "axial"]}


def test_wrong_files_and_settings(weights, path, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nowhere.pth does not exist; expected RadImageNet-ResNet50_notop.pth"):
        RadImageNetEncoder(tmp_path / "nowhere.pth")
    # PyTorch's own form of ResNet-50 has no biases: another conversion, with strides in other places.
    torch.save(
        {name: value for name, value in weights.items() if "conv" not in name or "bias" not in name},
        tmp_path / "other.pth",
    )
    with pytest.raises(ValueError, match=r"other.pth has no conv1.bias; expected RadImageNet-ResNet50_notop.pth"):
        RadImageNetEncoder(tmp_path / "other.pth")
    torch.save({f"backbone.{name}": value for name, value in weights.items()}, tmp_path / "names.pth")
    with pytest.raises(ValueError, match=r"names.pth does not fit: 318 missing in the file"):
        RadImageNetEncoder(tmp_path / "names.pth")
    with pytest.raises(ValueError, match="centre_ratio above 0"):
        RadImageNetEncoder(path, centre_ratio=0)
    with pytest.raises(ValueError, match=r"centre_ratio 0.01 leaves no slice of 25"):
        RadImageNetEncoder(path, centre_ratio=0.01)(volumes())
