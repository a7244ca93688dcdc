import pytest
import torch
from brain_bundles.handlers import ImagePreview
from ignite.engine import Engine

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


def test_interval_must_be_positive(tmp_path):
    with pytest.raises(ValueError, match="interval must be at least 1 epoch, got 0"):
        ImagePreview(list, tmp_path, interval=0)
