import pytest
import torch
from brain_bundles.handlers import ImagePreview, preview
from brain_bundles.visualize import Reconstructions
from ignite.engine import Engine
from monai.data import DataLoader, Dataset
from torch import nn

pytest.importorskip("matplotlib")


def run(handler: ImagePreview, epochs: int) -> None:
    engine = Engine(lambda engine, batch: None)
    handler.attach(engine)
    engine.run([0], max_epochs=epochs)


def test_pictures_at_the_interval_and_after_the_last_epoch(tmp_path):
    run(ImagePreview(lambda: torch.rand(2, 1, 6, 6, 6), tmp_path, interval=2, name="brains"), epochs=5)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["brains_0002.png", "brains_0004.png", "brains_0005.png"]


def test_training_is_not_disturbed_by_the_random_numbers_of_a_picture(tmp_path):
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    run(ImagePreview(lambda: torch.rand(1, 6, 6, 6), tmp_path), epochs=1)
    assert torch.equal(torch.rand(3), expected)


class Halving(nn.Module):
    """A network that 'reconstructs' by half."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(0.5))

    def reconstruct(self, x):
        assert not self.training
        return self.weight * x


def test_reconstructions_stand_beside_their_images(tmp_path, monkeypatch):
    images = [{"image": torch.full((1, 6, 6, 6), 0.1 * (i + 1))} for i in range(5)]
    network = Halving().train()
    shown = {}
    monkeypatch.setattr(
        preview, "save_montage", lambda path, volumes, labels, **kwargs: shown.update(zip(labels, volumes, strict=True))
    )
    run(
        ImagePreview(Reconstructions(network, DataLoader(Dataset(images), batch_size=2), num_images=3), tmp_path),
        epochs=1,
    )
    assert list(shown) == [f"{kind} {i}" for i in (1, 2, 3) for kind in ("image", "reconstruction")]
    assert all(volume.shape == (6, 6, 6) for volume in shown.values())
    torch.testing.assert_close(shown["reconstruction 3"], 0.5 * shown["image 3"])
    assert float(shown["image 3"].mean()) == pytest.approx(0.3)
    assert network.training


def test_interval_must_be_positive(tmp_path):
    with pytest.raises(ValueError, match="interval must be at least 1 epoch, got 0"):
        ImagePreview(list, tmp_path, interval=0)
