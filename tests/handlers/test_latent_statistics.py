import pytest
import torch
from brain_bundles.handlers import LatentStatisticsHandler
from ignite.engine import Engine
from torch import nn


class Moments(nn.Module):
    """mu is the image and sigma a constant per channel."""

    def __init__(self) -> None:
        super().__init__()
        self.sigma = nn.Parameter(torch.tensor([0.3, 2.0]))

    def raw_moments(self, x):
        return x, self.sigma.view(1, 2, 1, 1, 1).expand_as(x)

    def set_latent_statistics(self, mean, std):
        raise NotImplementedError  # each test has its own


@pytest.mark.parametrize(("interval", "calls"), [(None, [3]), (2, [2, 3])])
def test_handler_measures_when_the_run_completes(monkeypatch, interval, calls):
    network = Moments().train()
    seen = []
    monkeypatch.setattr(network, "set_latent_statistics", lambda mean, std: seen.append(engine.state.epoch))
    engine = Engine(lambda engine, batch: None)
    LatentStatisticsHandler(network, [{"image": torch.ones(1, 2, 4, 4, 4)}], interval=interval).attach(engine)
    engine.run([0], max_epochs=3)
    assert seen == calls
    assert network.training


def test_one_scale_for_all_channels_is_their_root_mean_square(monkeypatch):
    network, seen = Moments(), []
    monkeypatch.setattr(network, "set_latent_statistics", lambda mean, std: seen.append((mean, std)))
    image = torch.randn(1, 2, 4, 4, 4, generator=torch.Generator().manual_seed(0)) * torch.tensor([3.0, 0.5]).view(
        1, 2, 1, 1, 1
    )
    for per_channel in (True, False):
        LatentStatisticsHandler(network, [{"image": image}], per_channel=per_channel)(Engine(lambda *_: None))
    (mean, each), (same_mean, shared) = seen
    assert torch.equal(mean, same_mean)
    assert each[0] != each[1]
    torch.testing.assert_close(shared, each.square().mean().sqrt().expand(2))
