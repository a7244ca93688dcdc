"""Each artefact against its closed form."""

from __future__ import annotations

import math

import pytest
import torch
from brain_bundles.phantom.heads.distance import signed_distance
from brain_bundles.phantom.scanner import (
    BiasField,
    Blur,
    BrainMask,
    FieldOfView,
    Gamma,
    Ghosting,
    Gibbs,
    Motion,
    Noise,
    Signal,
    ThickSlices,
)
from brain_bundles.phantom.scanner.post_processing import border_distance
from brain_bundles.phantom.scanner.resolution import slice_profile, to_grid

ALL = (BiasField, Motion, Ghosting, ThickSlices, Blur, Gibbs, Noise, Gamma, BrainMask, FieldOfView)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def ball(size: int = 48, radius: float = 15.0) -> torch.Tensor:
    axis = torch.arange(size) - (size - 1) / 2
    return (axis[:, None, None] ** 2 + axis[None, :, None] ** 2 + axis**2 < radius**2).float()


def scan(volume: torch.Tensor | None = None, spacing: float = 2.0) -> Signal:
    inside = ball() if volume is None else (volume > 0).float()
    volume = 0.7 * inside if volume is None else volume
    return Signal(volume, (spacing,) * 3, inside, inside, brightness=0.7)


@pytest.mark.parametrize("artefact", ALL)
def test_settings_give_the_same_image_again(artefact):
    one = artefact(probability=1.0)
    settings = one.draw(generator(3))
    first, again = (one.apply(scan(), settings, generator(5)).volume for _ in range(2))
    assert torch.equal(first, again)
    assert bool(torch.isfinite(first).all())
    assert artefact(probability=0.0).draw(generator(3)) is None
    with pytest.raises(ValueError, match=f"{artefact.__name__}: probability is 2"):
        artefact(probability=2)


def test_noise_is_rician_with_the_asked_ratio():
    volume = torch.zeros(60, 60, 60)
    volume[:30] = 0.7
    noisy = Noise().apply(scan(volume), {"snr": 10.0}, generator()).volume
    std = 0.7 / 10.0
    assert float(noisy[30:].mean()) == pytest.approx(std * math.sqrt(math.pi / 2), rel=0.01)  # Rayleigh
    assert float(noisy[:30].std()) == pytest.approx(std, rel=0.02)


def test_the_bias_field_has_the_asked_spread_and_is_smooth():
    volume = torch.ones(80, 96, 80)
    spreads = []
    for seed in range(10):
        field = BiasField().apply(scan(volume), {"std": 0.2, "knots_mm": 60.0}, generator(seed)).volume.log()
        spreads.append(float(field.square().mean().sqrt()))
        assert float(torch.diff(field, dim=0).abs().max()) < 0.05
    assert sum(spreads) / 10 == pytest.approx(0.2, rel=0.3)


def test_motion_by_nothing_changes_nothing_and_a_shift_before_all_lines_moves_the_head():
    still = {"axis": 1, "moment": 0.7, "degrees": [0.0] * 3, "shift_mm": [0.0] * 3}
    assert torch.allclose(Motion().apply(scan(), still, generator()).volume, scan().volume, atol=1e-5)
    moved = Motion().apply(scan(), {**still, "moment": 0.0, "shift_mm": [4.0, 0.0, 0.0]}, generator()).volume
    assert torch.allclose(moved, scan().volume.roll(-2, 0), atol=1e-5)  # 4 mm are 2 voxels


def test_ghosts_lie_a_part_of_the_field_of_view_away():
    volume = torch.zeros(40, 40, 40)
    volume[18:22, 18:22, 18:22] = 1.0
    ghosted = Ghosting().apply(scan(volume), {"axis": 0, "strength": 0.3, "every": 4}, generator()).volume
    line = ghosted[:, 20, 20]
    outside = volume[:, 20, 20] == 0
    quarters = {(place + 10 * number) % 40 for place in range(18, 22) for number in (1, 2, 3)}
    assert {int(i) for i in (line * outside).topk(8).indices} <= quarters  # 40 / 4 away, and its multiples


def test_gibbs_rings_beside_an_edge():
    volume = torch.zeros(48, 48, 48)
    volume[16:32] = 1.0
    rung = Gibbs().apply(scan(volume), {"alpha": 0.4}, generator()).volume
    assert float(rung.max()) > 1.04
    assert float(rung[:, 24, 24].mean()) == pytest.approx(float(volume[:, 24, 24].mean()), rel=0.05)


@pytest.mark.parametrize(("size", "spacing", "thickness"), [(80, 2.0, 5.0), (96, 2.0, 2.9), (48, 1.0, 6.0)])
def test_slices_are_means_that_keep_the_signal(size, spacing, thickness):
    weights = slice_profile(size, spacing, thickness)
    assert torch.allclose(weights.sum(1), torch.ones(len(weights)))
    assert torch.allclose(weights.sum(0) * size / len(weights), torch.ones(size), atol=1e-5)
    assert size * spacing / len(weights) == pytest.approx(thickness, rel=0.1)


def test_thick_slices_blur_along_one_axis_and_come_back_to_the_grid():
    ramp = torch.arange(48.0)[None, None, :].expand(48, 48, 48).contiguous() + 1.0
    signal = scan(ramp)
    slices = ThickSlices().apply(signal, {"axis": 2, "thickness_mm": 6.0}, generator())
    assert slices.volume.shape == (48, 48, 16)
    assert slices.spacing == (2.0, 2.0, 6.0)
    assert torch.allclose(to_grid(slices).volume[..., 3:-3], ramp[..., 3:-3], atol=1e-3)  # linear stays linear
    assert ThickSlices().apply(signal, {"axis": 0, "thickness_mm": 1.0}, generator()) is signal


def test_blur_has_the_asked_width():
    volume = torch.zeros(49, 49, 49)
    volume[24, 24, 24] = 1.0
    line = Blur().apply(scan(volume), {"fwhm_mm": 8.0}, generator()).volume.sum((1, 2))
    position = torch.arange(49.0) - 24
    sigma = float(((line * position**2).sum() / line.sum()).sqrt()) * 2.0
    assert sigma * 2.3548 == pytest.approx(8.0, rel=0.05)


def test_gamma_keeps_the_brightest_tissue():
    volume = torch.tensor([[[0.0, 0.425, 0.85]]])
    curved = Gamma().apply(scan(volume), {"gamma": 2.0}, generator()).volume.flatten()
    assert curved.tolist() == pytest.approx([0.0, 0.2125, 0.85])


@pytest.mark.parametrize("margin", [-4.0, 0.0, 4.0])
def test_a_brain_mask_is_too_wide_or_too_tight_by_the_asked_margin(margin):
    settings = {"margin_mm": margin, "roughness_mm": 0.0, "without_csf": False}
    everywhere = Signal(torch.ones(48, 48, 48), (2.0,) * 3, ball(), ball(), 0.7)
    mask = BrainMask().apply(everywhere, settings, generator()).volume
    radius = (3 * float(mask.sum()) / (4 * math.pi)) ** (1 / 3)
    assert radius == pytest.approx(15.0 + margin / 2, abs=0.6)


@pytest.mark.parametrize("reach", [-2.0, 0.0, 4.3])
def test_distances_near_a_mask_are_those_of_the_whole_grid(reach):
    mask = torch.zeros((40, 50, 36), dtype=torch.bool)
    mask[12:30, 8:30, 0:20] = torch.rand(18, 22, 20, generator=torch.Generator().manual_seed(0)) > 0.1
    whole = torch.from_numpy(signed_distance(mask.numpy(), spacing=2.0))
    near = border_distance(mask, 2.0, reach=reach)
    assert torch.equal(near[near.isfinite()], whole[near.isfinite()])
    assert bool((whole[~near.isfinite()] > reach).all())


def test_a_mask_without_csf_ends_at_the_brain():
    signal = Signal(torch.ones(48, 48, 48), (2.0,) * 3, ball(radius=18.0), ball(radius=12.0), 0.7)
    settings = {"margin_mm": 0.0, "roughness_mm": 0.0, "without_csf": True}
    mask = BrainMask().apply(signal, settings, generator()).volume
    assert ball(radius=12.0).sum() <= mask.sum() < 1.2 * ball(radius=12.0).sum()


@pytest.mark.parametrize(("end", "kept"), [(0, slice(14, None)), (1, slice(None, 34))])
def test_a_field_of_view_ends_within_the_head(end, kept):
    cut = FieldOfView().apply(scan(), {"axis": 2, "end": end, "cut_mm": 10.0}, generator()).volume
    expected = torch.zeros_like(cut)
    expected[:, :, kept] = scan().volume[:, :, kept]
    assert torch.equal(cut, expected)
