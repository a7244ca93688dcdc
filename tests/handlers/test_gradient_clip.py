import pytest
import torch
from brain_bundles.handlers import GradientClip
from monai.engines import SupervisedTrainer
from torch import nn


@pytest.mark.parametrize(("max_norm", "moved"), [(0.5, 0.5), (100.0, 6.0)])
def test_the_step_uses_the_clipped_gradient(max_norm, moved):
    """Loss (w x - y)^2 with w 0, x 1, y 3: gradient -6, so plain SGD with rate 1 moves w by 6 or by the clip."""
    network = nn.Linear(1, 1, bias=False)
    nn.init.zeros_(network.weight)
    data = [{"image": torch.ones(1, 1), "label": torch.full((1, 1), 3.0)}]
    optimizer = torch.optim.SGD(network.parameters(), lr=1.0)
    SupervisedTrainer(
        "cpu", 1, data, network, optimizer, nn.MSELoss(), train_handlers=[GradientClip(network, max_norm)]
    ).run()
    assert float(network.weight.detach()) == pytest.approx(moved, rel=1e-4)


def test_norm_must_be_positive():
    with pytest.raises(ValueError, match="max_norm must be positive, got 0"):
        GradientClip(nn.Linear(1, 1), 0)
