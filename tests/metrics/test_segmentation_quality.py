"""Scores of groups by hand, and orders that no head breaks."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from brain_bundles.metrics.segmentation_quality import group_scores, misplaced


def test_a_score_is_the_mean_of_the_largest_probabilities_in_the_group():
    probabilities = torch.tensor([[0.1, 0.2, 0.9], [0.6, 0.1, 0.05], [0.3, 0.7, 0.05]])[..., None, None]
    indices = probabilities.argmax(0)
    scores = group_scores(probabilities, indices, {"both": [1, 2], "first": [1], "absent": [3]})
    assert scores == {"both": pytest.approx(0.65), "first": pytest.approx(0.6), "absent": 0.0}


def test_orders_follow_the_world_and_not_the_array():
    indices = np.zeros((4, 4, 9), dtype=np.uint8)
    indices[:, :, 7], indices[:, :, 1] = 1, 2
    orders = {"one above two": ([1], [2], 2), "one above three": ([1], [3], 2)}
    assert misplaced(indices, np.eye(4), orders) == []  # three is not there, so it is not judged
    upside_down = np.diag([-1.0, 1.0, -1.0, 1.0])
    assert misplaced(indices, upside_down, orders) == ["one above two"]
