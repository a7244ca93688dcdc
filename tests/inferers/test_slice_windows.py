from __future__ import annotations

import pytest
import torch
from brain_bundles.inferers import SliceWindows


class Recorder:
    """A network that sees its neighbours along the slices and remembers the shapes of its inputs."""

    def __init__(self) -> None:
        self.shapes: list[tuple[int, ...]] = []

    def __call__(self, x, *, timesteps):
        self.shapes.append(tuple(x.shape))
        assert timesteps.shape == (len(x),)
        padded = torch.nn.functional.pad(x, (0, 0, 0, 0, 1, 1))
        return padded[:, :1, :-2] + 2 * padded[:, :1, 1:-1] + padded[:, :1, 2:]


@pytest.fixture
def volume():
    return torch.rand(2, 3, 20, 4, 6, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("slices_per_window", [None, 20, 50])
def test_a_volume_that_fits_into_one_window_goes_through_as_it_is(volume, slices_per_window):
    network = Recorder()
    timesteps = torch.zeros(2)
    fused = SliceWindows(slices_per_window)(volume, network, timesteps=timesteps)
    assert torch.equal(fused, Recorder()(volume, timesteps=timesteps))
    assert network.shapes == [tuple(volume.shape)]


def test_the_network_never_sees_more_than_a_window(volume):
    network = Recorder()
    fused = SliceWindows(8)(volume, network, timesteps=torch.full((2,), 5.0))
    assert fused.shape == (2, 1, 20, 4, 6)
    assert set(network.shapes) == {(1, 3, 8, 4, 6)}


def test_a_network_of_single_slices_is_not_changed_by_windows(volume):
    """Overlapping windows agree then, and a weighted average of equal values is that value."""

    def each_slice(x, *, timesteps):
        return x[:, :2].sin()

    fused = SliceWindows(6, overlap=0.5)(volume, each_slice, timesteps=torch.zeros(2))
    torch.testing.assert_close(fused, volume[:, :2].sin())


def test_errors_at_the_border_of_a_window_are_faded_out():
    """The recorder lacks a neighbour at its borders, so it errs there; the average hides most of the error."""
    constant = torch.ones(1, 1, 40, 2, 2)
    times = torch.zeros(1)
    inside = slice(1, -1)
    error = (SliceWindows(10)(constant, Recorder(), timesteps=times) - 4).abs()[:, :, inside].max()
    hard = (SliceWindows(10, overlap=0.0)(constant, Recorder(), timesteps=times) - 4).abs()[:, :, inside].max()
    assert float(hard) == 1.0
    assert float(error) < 0.2


def test_windows_fade_alike_all_over_the_slice():
    """Two windows that disagree: the step where one takes over is as small at the slice's rim as in its middle."""
    count = iter(range(100))

    def disagree(x, *, timesteps):
        return torch.full_like(x, float(next(count) % 2))

    fused = SliceWindows(16)(torch.zeros(1, 1, 64, 20, 24), disagree, timesteps=torch.zeros(1))[0, 0]
    torch.testing.assert_close(fused, fused[:, 10:11, 12:13].expand_as(fused))
    assert float(fused.diff(dim=0).abs().max()) < 1 / 8 + 1e-6  # linear over the half that windows share


@pytest.mark.parametrize(
    "error", [torch.OutOfMemoryError("too much"), RuntimeError("DefaultCPUAllocator: can't allocate memory")]
)
def test_windows_shrink_until_they_fit_into_memory(volume, caplog, error):
    network = Recorder()

    def small(x, *, timesteps):
        if x.shape[2] > 6:
            raise error
        return network(x, timesteps=timesteps)

    windows = SliceWindows()
    for _ in range(2):  # the second step begins with the number that fitted
        fused = windows(volume, small, timesteps=torch.zeros(2))
        assert fused.shape == (2, 1, 20, 4, 6)
    assert {shape[2] for shape in network.shapes} == {5}
    assert caplog.text.count("Out of memory") == 2
    with pytest.raises(type(error)):
        SliceWindows(10)(volume, small, timesteps=torch.zeros(2))  # a requested number is not changed


def test_other_errors_are_not_taken_for_a_lack_of_memory(volume):
    def broken(x, *, timesteps):
        raise RuntimeError("shapes do not fit")

    with pytest.raises(RuntimeError, match="shapes do not fit"):
        SliceWindows()(volume, broken, timesteps=torch.zeros(2))


def test_bad_arguments_are_refused():
    with pytest.raises(ValueError, match="slices_per_window must be positive, got 0"):
        SliceWindows(0)
    with pytest.raises(ValueError, match=r"overlap must be in \[0, 1\), got 1"):
        SliceWindows(4, overlap=1.0)
