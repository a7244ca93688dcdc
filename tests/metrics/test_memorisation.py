import numpy as np
import pytest
import torch
from brain_bundles.metrics import describe, memorisation


@pytest.fixture
def brains():
    """40 volumes of one population: a common shape plus smooth differences."""
    generator = torch.Generator().manual_seed(0)
    common = torch.rand(1, 1, 6, 6, 6, generator=generator)
    small = common + 0.3 * torch.randn(40, 1, 6, 6, 6, generator=generator)
    return torch.nn.functional.interpolate(small, scale_factor=4, mode="trilinear").squeeze(1)


def vectors(volumes):
    return [describe(volume, size=6) for volume in volumes]


def test_a_dot_product_of_descriptions_is_the_correlation_of_block_means():
    a, b = torch.rand(2, 12, 12, 12, generator=torch.Generator().manual_seed(1))
    means = [v.reshape(6, 2, 6, 2, 6, 2).mean((1, 3, 5)).numpy().ravel() for v in (a, b)]
    assert float(describe(a, 6) @ describe(b, 6)) == pytest.approx(np.corrcoef(means)[0, 1], abs=1e-6)
    torch.testing.assert_close(describe(a, 6), describe(3 * a + 7, 6), atol=1e-5, rtol=0)  # float32 sums


def test_a_noisy_copy_is_found_and_its_source_named(brains):
    noise = 0.05 * torch.randn(brains[0].shape, generator=torch.Generator().manual_seed(2))
    result = memorisation(vectors([brains[7] + noise, brains[39]]), vectors(brains[:20]), vectors(brains[20:39]))
    assert result.generated_nearest[0] == 7
    assert result.generated[0] > 0.98 > result.threshold > result.generated[1]
    assert result.share_above == 0.5


def test_new_brains_look_like_held_out_ones(brains):
    result = memorisation(vectors(brains[30:]), vectors(brains[:20]), vectors(brains[20:30]))
    assert result.share_above <= 0.3  # 0.05 expected of 10; the threshold itself comes from 10
    assert result.threshold == pytest.approx(np.percentile(result.held_out, 95))


def test_sets_that_are_too_small_or_of_other_grids_are_refused(brains):
    some = vectors(brains[:3])
    with pytest.raises(ValueError, match="got 0, 3 and 3"):
        memorisation([], some, some)
    with pytest.raises(ValueError, match="differ in length"):
        memorisation([describe(brains[0], 5)], some, some)
    with pytest.raises(ValueError, match="constant or not finite"):
        describe(torch.ones(8, 8, 8))
