import numpy as np
import pytest

pytest.importorskip("scipy")
from brain_bundles.metrics import UnmeasurableError
from brain_bundles.metrics.ventricles import OTHER, VENTRICLE, compete, label_csf, ventricle_fraction, ventricular_fluid


def test_seeds_meet_half_way_and_costly_voxels_push_the_border():
    seeds = np.zeros((1, 1, 9), int)
    seeds[..., 0], seeds[..., 8] = 1, 2
    nodes = np.ones(seeds.shape, bool)
    flat = compete(np.ones(seeds.shape), nodes, seeds).ravel()
    assert flat[:4].tolist() == [1] * 4
    assert flat[5:].tolist() == [2] * 4
    cost = np.ones(seeds.shape)
    cost[..., 2] = 100.0  # a wall beside the first seed: what is behind belongs to the other
    assert compete(cost, nodes, seeds).ravel()[3:].tolist() == [2] * 6


def test_what_no_seed_reaches_has_no_label():
    seeds = np.zeros((1, 1, 5), int)
    seeds[..., 0] = 1
    nodes = np.array([True, True, False, True, True])[None, None]
    assert compete(np.ones(seeds.shape), nodes, seeds).ravel().tolist() == [1, 1, 0, 0, 0]
    assert not compete(np.ones(seeds.shape), nodes, np.zeros_like(seeds)).any()


@pytest.fixture
def ball():
    """CSF shares of a ball (radius 6.3 voxels, sub-voxel edge) in a brain, joined by a thin canal to fluid outside."""
    fine = np.stack(np.meshgrid(*[(np.arange(160) - 79.5) / 4] * 3, indexing="ij"))
    share = (np.sqrt((fine**2).sum(0)) < 6.3).reshape(40, 4, 40, 4, 40, 4).mean((1, 3, 5))
    csf = share.copy()
    csf[20, 20, 26:] = 0.6
    csf[:, :, 36:] = 1.0
    mask = np.zeros(csf.shape, bool)
    mask[1:-1, 1:-1, 1:-1] = True
    return share, csf, mask


def test_a_ball_has_its_volume_although_a_canal_leaves_it(ball):
    share, csf, mask = ball
    prior = (share == 1).astype(float)
    labels = label_csf(csf, mask, prior, np.zeros_like(prior), spacing=2.0)
    assert (labels[share > 0.5] == VENTRICLE).all()
    assert (labels[2:-2, 2:-2, 37] == OTHER).all()
    measured = ventricle_fraction(csf, labels, mask).sum()
    # 6.3 voxels radius: 1047 voxels. The canal adds at most its half of 10 voxels at 0.67.
    assert measured == pytest.approx(4 / 3 * np.pi * 6.3**3, rel=0.02)


def test_no_fluid_at_the_prior_is_refused(ball):
    share, csf, mask = ball
    with pytest.raises(UnmeasurableError, match="no CSF where the atlas has the lateral ventricles"):
        label_csf(csf, mask, np.roll(share, 12, axis=0) * (csf < 0.1), np.zeros_like(share), spacing=2.0)
    with pytest.raises(UnmeasurableError, match="outside of the volume"):
        ventricular_fluid(csf, np.zeros_like(csf))


def test_fluid_is_read_away_from_walls_and_choroid_plexus(ball):
    share, _, _ = ball
    image = 0.8 - 0.6 * share
    image[20, 20, 18:22] = 0.5  # choroid plexus
    assert ventricular_fluid(image, share) == pytest.approx(0.2)
