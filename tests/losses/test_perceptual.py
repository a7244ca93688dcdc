import pytest
import torch
from brain_bundles.losses import make_perceptual_loss, perceptual


@pytest.fixture(autouse=True)
def empty_hub(tmp_path, monkeypatch):
    """No cached weights, on any machine, and every optional package 'installed'."""
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    monkeypatch.setattr(perceptual, "find_spec", lambda name: object())
    return tmp_path / "hub"


def test_off_by_default():
    assert make_perceptual_loss() is None


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"pretrained_path": "vgg.pth"}, "pretrained_path is 'vgg.pth', but"),
        ({"allow_download": True}, "allow_download is true, but"),
        ({"pretrained_path": "vgg.pth", "allow_download": True}, "'vgg.pth' and allow_download is true, but"),
    ],
)
def test_weights_of_a_term_that_is_off_are_an_error_that_names_the_key(options, said):
    with pytest.raises(ValueError, match=rf"{said} network_type is null.*set network_type \(perceptual_network"):
        make_perceptual_loss(None, **options)


@pytest.mark.parametrize("name", [name for name in perceptual.NETWORK_TYPES if name != perceptual.SEGMENTER])
def test_no_weights_and_no_permission_is_an_error_that_names_the_ways_out(name):
    with pytest.raises(FileNotFoundError, match=f"{name!r} needs weights that are not on this machine.*allow_download"):
        make_perceptual_loss(name)


def test_unknown_name():
    with pytest.raises(ValueError, match="network_type is 'vgg99'; allowed: null"):
        make_perceptual_loss("vgg99")


def test_local_file_must_exist_and_be_usable(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"pretrained_path .*none\.pth does not exist"):
        make_perceptual_loss("vgg", str(tmp_path / "none.pth"))
    with pytest.raises(ValueError, match="takes no pretrained_path; it is loaded from"):
        make_perceptual_loss("radimagenet_resnet50", str(tmp_path))


def test_missing_package_is_named(monkeypatch):
    monkeypatch.setattr(perceptual, "find_spec", lambda name: None if name == "lpips" else object())
    with pytest.raises(ImportError, match="'alex' needs lpips: pip install lpips"):
        make_perceptual_loss("alex")


def test_null_of_a_command_line_turns_the_term_off():
    assert make_perceptual_loss("null") is None
