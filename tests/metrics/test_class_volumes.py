"""Volumes by hand: borders count by their parts, what is far away does not count."""

from __future__ import annotations

import pytest
import torch
from brain_bundles.metrics.class_volumes import class_volumes


def test_a_cube_of_10_mm_with_a_soft_border_is_its_sum():
    """A cube of 5x5x5 voxels of 2 mm is 1 mL; a shell of halves beside one face adds 25 halves."""
    probability = torch.zeros(12, 12, 12)
    probability[3:8, 3:8, 3:8] = 1.0
    probability[8, 3:8, 3:8] = 0.5
    probability[0, 0, 0] = 0.4  # far away
    probabilities = torch.stack([1 - probability, probability, torch.zeros_like(probability)])
    indices = (probability > 0.5).long()
    right = torch.zeros(12, 12, 12, dtype=torch.bool)
    right[:, :, 5:] = True
    volumes = class_volumes(probabilities, indices, right, 0.008)
    assert volumes[:, 1].tolist() == pytest.approx([(125 + 12.5) * 0.008 * share for share in (0.4, 0.6)])
    assert volumes[:, 2].tolist() == [0.0, 0.0]
