import torch
from brain_bundles.losses import WeightedMSELoss, channel_weights, inverse_variance_weights


def test_without_variance_the_weights_are_equal():
    assert torch.equal(inverse_variance_weights(torch.zeros(2, 3), 0.1), torch.ones(2, 3))


def test_weights_are_the_inverse_of_expected_error_and_variance():
    target, variance = torch.zeros(1, 1, 2), torch.tensor([[[0.0, 0.3]]])
    weight = inverse_variance_weights(variance, 0.1)
    loss = WeightedMSELoss()(torch.tensor([[[2.0, 4.0]]]), (target, weight))
    torch.testing.assert_close(loss, torch.tensor((4 + 16 / 4) / 2))


def test_errors_are_counted_in_their_unit():
    """Twice the unit and twice the error, with four times the variance, give the same loss."""
    target, unit = torch.zeros(1, 1, 2), torch.tensor([1.0, 2.0]).reshape(1, 1, 2)
    variance = torch.tensor([[[0.3, 1.2]]])
    weight = inverse_variance_weights(variance, 0.1, unit)
    torch.testing.assert_close(WeightedMSELoss()(torch.tensor([[[2.0, 4.0]]]), (target, weight)), torch.tensor(4 / 4.0))
    certain = inverse_variance_weights(torch.zeros(1, 1, 2), 0.1, unit)
    torch.testing.assert_close(
        WeightedMSELoss()(torch.tensor([[[2.0, 6.0]]]), (target, certain)), torch.tensor((4 + 9) / 2.0)
    )


def test_they_estimate_better_than_equal_weights_where_noise_differs():
    """The mean of 200 numbers of variance 0.01 and 200 of variance 1: Aitken's estimate has 1 / 25 of the variance."""
    variance = torch.tensor([0.01, 1.0]).repeat(200)
    loss = WeightedMSELoss()
    errors = {}
    for name, weight in (("equal", torch.ones(400)), ("inverse", inverse_variance_weights(variance, 0.001))):
        squares = []
        for seed in range(100):
            numbers = variance.sqrt() * torch.randn(400, generator=torch.Generator().manual_seed(seed))
            mean = torch.zeros((), requires_grad=True)
            loss(mean.expand(400), (numbers, weight)).backward()
            slope = mean.grad.clone()  # the loss is a parabola: one Newton step is its minimum
            mean.grad = None
            loss(mean.expand(400) + 1, (numbers, weight)).backward()
            squares.append((slope / (mean.grad - slope)) ** 2)
        errors[name] = torch.stack(squares).mean()
    assert errors["inverse"] < errors["equal"] / 10


def test_channels_count_by_a_power_of_their_standard_deviation():
    std = torch.tensor([4.0, 1.0])
    torch.testing.assert_close(channel_weights(std, 0), torch.ones(2))
    torch.testing.assert_close(channel_weights(std, 0.5), torch.tensor([4 / 3, 2 / 3]))  # 2 and 1, their mean 1.5
    torch.testing.assert_close(channel_weights(std, -1), torch.tensor([0.4, 1.6]))  # 1/4 and 1, their mean 5/8
