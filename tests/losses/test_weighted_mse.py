import pytest
import torch
from brain_bundles.losses import WeightedMSELoss, batch_size
from ignite.metrics import Loss


def test_with_weights_of_one_it_is_the_mean_squared_error():
    prediction, target = torch.randn(2, 3, 4, 4, 4, generator=torch.Generator().manual_seed(0)).split(1)
    expected = torch.nn.functional.mse_loss(prediction, target)
    assert WeightedMSELoss()(prediction, (target, torch.ones_like(target))) == expected
    assert WeightedMSELoss()(prediction, (target, torch.ones(1, 1, 1, 1, 1))) == expected


def test_elements_count_by_their_weight():
    target, prediction = torch.zeros(1, 2, 2), torch.tensor([[[1.0, 2.0], [3.0, 4.0]]])
    each, per_channel = torch.tensor([[[1.0, 2.0], [0.0, 0.5]]]), torch.tensor([[[1.0], [0.5]]])
    assert float(WeightedMSELoss()(prediction, (target, each))) == (1 + 2 * 4 + 0.5 * 16) / 4
    assert float(WeightedMSELoss()(prediction, (target, per_channel))) == (1 + 4 + 0.5 * (9 + 16)) / 4


def test_a_prediction_of_another_shape_is_refused():
    with pytest.raises(ValueError, match=r"the prediction has shape \(1, 2\), its target \(2, 2\)"):
        WeightedMSELoss()(torch.zeros(1, 2), (torch.zeros(2, 2), torch.ones(2, 2)))


def test_ignite_averages_it_over_samples():
    metric = Loss(WeightedMSELoss(), batch_size=batch_size)
    for size, error in ((4, 1.0), (1, 3.0)):
        metric.update((torch.full((size, 2), error), (torch.zeros(size, 2), torch.full((size, 1), 2.0))))
    assert metric.compute() == pytest.approx(2 * (4 * 1 + 1 * 9) / 5)
