from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

Network = Callable[[torch.Tensor, float], torch.Tensor]


@pytest.fixture
def noise() -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(2, 3, 4, 4, 4, dtype=torch.float64, generator=generator)


@pytest.fixture
def gaussian() -> Callable[..., Network]:
    """The exact network for data N(0, s^2), where E[x_0 | x_t] = sqrt(a) s^2 x_t / (a s^2 + 1 - a)."""

    def build(s: float, prediction_type: str = "epsilon") -> Network:
        def network(x: torch.Tensor, a: float) -> torch.Tensor:
            clean = a**0.5 * s**2 / (a * s**2 + 1 - a) * x
            epsilon = (x - a**0.5 * clean) / (1 - a) ** 0.5
            return {
                "sample": clean,
                "epsilon": epsilon,
                "v_prediction": a**0.5 * epsilon - (1 - a) ** 0.5 * clean,
            }[prediction_type]

        return network

    return build


@pytest.fixture
def walk() -> Callable[..., torch.Tensor]:
    """Run a scheduler over its timesteps with a network that receives alpha_bar."""

    def run(scheduler, network: Network, x: torch.Tensor, **kwargs) -> torch.Tensor:
        levels = scheduler.alphas_cumprod.double().tolist()
        for timestep in scheduler.timesteps:
            x, _ = scheduler.step(network(x, levels[int(timestep)]), timestep, x, **kwargs)
        return x

    return run
