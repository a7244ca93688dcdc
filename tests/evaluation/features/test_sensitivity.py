import pytest
import torch
from brain_bundles.evaluation.features import FeatureEncoder, NetworkEncoder, make_phantom_series, sensitivity
from brain_bundles.evaluation.features.sensitivity import Sensitivity, blended, blurred, noisy, sensitivity_table
from brain_bundles.metrics import frechet_distance
from torch import nn


class Level(FeatureEncoder):
    """Sees nothing but the mean."""

    def __init__(self) -> None:
        super().__init__(nn.Conv3d(1, 1, 1), name="level", normalisation="none", num_features=1)

    def encode(self, volumes: torch.Tensor) -> torch.Tensor:
        return volumes.mean((2, 3, 4))


def balls(number: int, seed: int) -> torch.Tensor:
    """Textured balls of different brightness, 0 outside."""
    generator = torch.Generator().manual_seed(seed)
    axes = torch.meshgrid(*(torch.linspace(-1, 1, 16),) * 3, indexing="ij")
    inside = sum(axis**2 for axis in axes) < 0.8
    texture = 0.1 * torch.rand(number, 1, 16, 16, 16, generator=generator)
    return (0.4 + 0.1 * torch.rand(number, 1, 1, 1, 1, generator=generator) + texture) * inside


def test_only_the_inside_becomes_worse():
    volumes = balls(3, 0)
    for series in (noisy(volumes, (0.02, 0.05)), blurred(volumes, (3.0, 6.0), spacing=2.0)):
        for worse in series.values():
            assert ((worse != 0) == (volumes != 0)).all()
    noise = noisy(volumes, (0.01, 0.02))
    torch.testing.assert_close(noise[0.02] - volumes, 2 * (noise[0.01] - volumes))
    assert float((noise[0.02] - volumes)[volumes != 0].std()) == pytest.approx(0.02, rel=0.05)
    flat = (volumes != 0).float()
    torch.testing.assert_close(blurred(flat, (5.0,), spacing=2.0)[5.0], flat)
    torch.testing.assert_close(blended(volumes, 1 - volumes, (0.25,))[0.25], 0.75 * volumes + 0.25 * (1 - volumes))


def test_a_blur_has_its_width():
    """A point in a large block becomes a Gaussian of that width at half its height."""
    block = torch.ones(1, 1, 31, 31, 31)
    point = block.clone()
    point[0, 0, 15, 15, 15] = 2
    line = (blurred(point, (8.0,), spacing=1.0)[8.0] - 1)[0, 0, :, 15, 15]
    assert float(line[15 + 4] / line[15]) == pytest.approx(0.5, abs=0.02)


def test_distances_by_strength_and_their_order():
    reference, clean = balls(6, 0), balls(6, 1)
    darker = {strength: clean * (1 - strength) for strength in (0.8, 0.2)}
    brighter_twice = {0.1: clean * 1.5, 0.2: clean * 1.5}
    found = sensitivity(Level(), reference, clean, {"darker": darker, "same": brighter_twice})
    assert found["darker"].strengths == (0.0, 0.2, 0.8)
    means = [volumes.mean((2, 3, 4)) for volumes in (clean, darker[0.2], darker[0.8])]
    for value, mean in zip(found["darker"].frechet, means, strict=True):
        assert value == pytest.approx(frechet_distance(reference.mean((2, 3, 4)), mean), rel=1e-4, abs=1e-8)
    assert found["darker"].ordered
    assert not found["same"].ordered
    assert "| darker | Fréchet | 0: " in sensitivity_table(found)


def test_order_needs_both_distances():
    assert Sensitivity((0, 1), (1.0, 2.0), (1.0, 2.0)).ordered
    assert not Sensitivity((0, 1), (1.0, 2.0), (2.0, 1.0)).ordered
    assert not Sensitivity((0, 1), (2.0, 2.0), (1.0, 2.0)).ordered


def test_strengths_must_be_above_0():
    clean = balls(3, 0)
    with pytest.raises(ValueError, match="noise, none: expected strengths above 0"):
        sensitivity(Level(), clean, clean, {"noise": {0.0: clean}, "none": {}, "right": {1.0: clean}})


@pytest.mark.long
def test_what_the_shipped_autoencoder_s_encoder_tells_apart(autoencoder_encoder: NetworkEncoder):
    """Few phantoms of 4 mm, half of its own resolution. It does not put blurs in order.

    An encoder that is to judge must have all four of the series in order: docs/explanation/feature_distances.md.
    """
    recipe = autoencoder_encoder.record.settings["recipe"]
    phantoms = make_phantom_series(6, spacing=4.0, spatial_size=(40, 48, 40), intensity_scale=recipe["intensity_scale"])
    found = sensitivity(autoencoder_encoder, phantoms.reference, phantoms.clean, phantoms.series)
    ordered = {name for name, one in found.items() if one.ordered}
    assert ordered == {"noise", "contrast", "ventricles"}, sensitivity_table(found)


def test_ventricles_of_the_same_people_grow():
    """More of the brain's middle is as dark as CSF; the rest is alike."""
    phantoms = make_phantom_series(1, spacing=4.0, spatial_size=(40, 48, 40))
    assert phantoms.reference.shape == phantoms.clean.shape == (1, 1, 40, 48, 40)
    assert set(phantoms.series) == {"noise", "blur", "contrast", "ventricles"}
    middle = (0, 0, slice(12, 28), slice(12, 36), slice(14, 30))
    steps = [phantoms.clean, *phantoms.series["ventricles"].values()]
    sizes = [int(((one > 0) & (one < 0.3))[middle].sum()) for one in steps]
    assert sizes == sorted(set(sizes))
    assert sizes[-1] > 1.5 * sizes[0]
    assert not torch.equal(phantoms.reference, phantoms.clean)
