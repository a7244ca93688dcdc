import random

import numpy as np
import torch
from brain_bundles.utils.random_state import random_states, restore_random_states
from brain_bundles.utils.saving import save_atomically, to_plain


def draws() -> list[float]:
    return [random.gauss(0, 1), float(np.random.randn()), float(torch.rand(()))]  # noqa: NPY002


def test_random_states_round_trip_through_a_file(tmp_path):
    random.gauss(0, 1), np.random.randn()  # noqa: NPY002  # leaves half a Gaussian pair in both states
    save_atomically(to_plain(random_states()), tmp_path / "a.pt")
    expected = [draws() for _ in range(3)]
    restore_random_states(torch.load(tmp_path / "a.pt", weights_only=True))
    assert [draws() for _ in range(3)] == expected
