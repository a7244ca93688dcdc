import pytest
import torch
from brain_bundles.losses import InverseVarianceMSELoss


def test_without_an_expected_error_it_is_the_mean_squared_error():
    prediction, target = torch.randn(2, 3, 4, 4, 4, generator=torch.Generator().manual_seed(0)).split(1)
    expected = torch.nn.functional.mse_loss(prediction, target)
    assert InverseVarianceMSELoss()(prediction, target) == expected
    assert InverseVarianceMSELoss()(prediction, (target, torch.ones_like(target))) == expected
    assert InverseVarianceMSELoss(0.1)(prediction, target) == expected
    torch.testing.assert_close(InverseVarianceMSELoss(0.1)(prediction, (target, torch.zeros_like(target))), expected)


def test_weights_are_the_inverse_of_expected_error_and_variance():
    target, variance = torch.zeros(1, 1, 2), torch.tensor([[[0.0, 0.3]]])
    loss = InverseVarianceMSELoss(0.1)(torch.tensor([[[2.0, 4.0]]]), (target, variance))
    torch.testing.assert_close(loss, torch.tensor((4 + 16 / 4) / 2))


def test_errors_are_counted_in_their_unit():
    """Twice the unit and twice the error, with four times the variance, are the same."""
    target, unit = torch.zeros(1, 1, 2), torch.tensor([1.0, 2.0]).reshape(1, 1, 2)
    variance = torch.tensor([[[0.3, 1.2]]])
    loss = InverseVarianceMSELoss(0.1)(torch.tensor([[[2.0, 4.0]]]), (target, variance, unit))
    torch.testing.assert_close(loss, torch.tensor(4 / 4.0))
    plain = InverseVarianceMSELoss()(torch.tensor([[[2.0, 6.0]]]), (target, variance, unit))
    torch.testing.assert_close(plain, torch.tensor((4 + 9) / 2.0))


def test_it_estimates_better_than_equal_weights_where_noise_differs():
    """The mean of 200 numbers of variance 0.01 and 200 of variance 1: Aitken's variance of it is 50 times smaller."""
    variance = torch.tensor([0.01, 1.0]).repeat(200)
    errors = {}
    for name, loss in (("equal", InverseVarianceMSELoss()), ("inverse", InverseVarianceMSELoss(0.001))):
        squares = []
        for seed in range(100):
            numbers = variance.sqrt() * torch.randn(400, generator=torch.Generator().manual_seed(seed))
            mean = torch.zeros((), requires_grad=True)
            loss(mean.expand(400), (numbers, variance)).backward()
            slope = mean.grad.clone()  # the loss is a parabola: one Newton step is its minimum
            mean.grad = None
            loss(mean.expand(400) + 1, (numbers, variance)).backward()
            squares.append((slope / (mean.grad - slope)) ** 2)
        errors[name] = torch.stack(squares).mean()
    assert errors["inverse"] < errors["equal"] / 10


def test_expected_error_must_be_positive():
    with pytest.raises(ValueError, match="expected_error must be positive, or None for equal weights, got 0"):
        InverseVarianceMSELoss(0)
