from __future__ import annotations

import torch
from brain_bundles.inferers.padded_batches import in_padded_batches


def test_parts_have_one_size_and_padding_is_dropped():
    calls = []

    def function(x, seeds, nothing):
        calls.append((x.flatten().tolist(), seeds, nothing))
        return 10 * x

    values = torch.arange(5.0)[:, None]
    out = in_padded_batches(function, values, [1, 2, 3, 4, 5], None, batch_size=3)
    assert torch.equal(out, 10 * values)
    assert calls == [([0, 1, 2], [1, 2, 3], None), ([3, 4, 4], [4, 5, 5], None)]


def test_without_a_size_all_samples_are_one_part():
    sizes = []
    values = torch.arange(5.0)
    out = in_padded_batches(lambda x: sizes.append(len(x)) or x, values, batch_size=None)
    assert torch.equal(out, values)
    assert sizes == [5]
