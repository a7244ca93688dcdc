from __future__ import annotations

import brain_bundles.networks.vector_quantiser as module
import pytest
import torch
from brain_bundles.networks import VectorQuantiser
from monai.networks.layers.vector_quantizer import EMAQuantizer


def features(*shape: int, seed: int = 1) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("shape", [(2, 6, 5, 4), (2, 6, 3, 4, 5)])
def test_codes_are_those_of_monai(shape):
    ours, monai = VectorQuantiser(16, 6).eval(), EMAQuantizer(len(shape) - 2, 16, 6).eval()
    ours.codebooks.data[0] = monai.embedding.weight.data
    z = features(*shape)
    quantised, _, indices = monai(z)
    assert torch.equal(ours.indices(z)[:, 0], indices)
    torch.testing.assert_close(ours(z)[0], quantised)
    torch.testing.assert_close(ours.quantise(z), quantised)


def test_groups_of_channels_have_codebooks_of_their_own():
    both = VectorQuantiser(8, 6, num_codebooks=2).eval()
    z = features(2, 6, 3, 4)
    for group, channels in enumerate((slice(0, 6, 2), slice(1, 6, 2))):
        one = VectorQuantiser(8, 3).eval()
        one.codebooks.data[0] = both.codebooks.data[group]
        torch.testing.assert_close(both.quantise(z)[:, channels], one.quantise(z[:, channels]))


def test_chunks_do_not_change_the_codes(monkeypatch):
    quantiser, z = VectorQuantiser(8, 4).eval(), features(2, 4, 5, 5)
    whole = quantiser.indices(z)
    monkeypatch.setattr(module, "CHUNK", 56)
    assert torch.equal(quantiser.indices(z), whole)


def test_gradients_go_straight_through_and_reach_codes_and_feature():
    quantiser = VectorQuantiser(8, 4, revive_below=0)
    z = features(2, 4, 5, 5).requires_grad_()
    quantised, loss = quantiser(z)
    (3 * quantised).sum().backward()
    assert torch.equal(z.grad, torch.full_like(z, 3.0))
    assert quantiser.codebooks.grad is None
    z.grad = None
    _, loss = quantiser(z)
    loss.backward()
    used = quantiser.indices(z).unique()
    assert quantiser.codebooks.grad[0, used].abs().sum(1).min() > 0
    # Both terms are the mean of the same squares: the commitment's slope is a quarter of the codes'.
    expected = 2 * 0.25 * (z - quantiser.quantise(z)).detach() / z.numel()
    torch.testing.assert_close(z.grad, expected)


def test_the_first_pass_draws_the_codebook_from_the_data():
    quantiser = VectorQuantiser(8, 2)
    z = 100 + features(2, 2, 6, 6)
    quantiser(z)
    vectors = z.permute(0, 2, 3, 1).reshape(-1, 2)
    assert (quantiser.codebooks[0][:, None] == vectors).all(-1).any(1).all()


def test_dead_codes_come_back_and_perplexity_says_so():
    torch.manual_seed(0)
    quantiser = VectorQuantiser(16, 2, usage_decay=0.5)
    z = features(2, 2, 20, 20)
    quantiser(z)
    quantiser.codebooks.data[0, 1:] = 1000.0  # nothing is near
    quantiser(z)
    assert quantiser.perplexity == 1
    for _ in range(8):
        quantiser(z)
    assert quantiser.codebooks.abs().max() < 10
    assert quantiser.perplexity > 10
    kept = VectorQuantiser(16, 2, usage_decay=0.5, revive_below=0)
    kept.codebooks.data[0, 1:] = 1000.0
    for _ in range(8):
        kept(z)
    assert kept.perplexity == 1


def test_evaluation_changes_nothing():
    quantiser = VectorQuantiser(8, 2).eval()
    before = {name: value.clone() for name, value in quantiser.state_dict().items()}
    quantiser(features(1, 2, 4, 4))
    assert all(torch.equal(value, before[name]) for name, value in quantiser.state_dict().items())


def test_half_precision_is_left_at_the_door():
    quantiser = VectorQuantiser(8, 2).eval()
    z = features(1, 2, 4, 4)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(quantiser(z)[0], quantiser(z.float())[0])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_codebooks": 4}, "6 channels cannot be split into num_codebooks = 4"),
        ({"num_codebooks": 0}, "must be positive, got 8, 6 and 0"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        VectorQuantiser(8, 6, **options)
