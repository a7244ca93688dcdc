from collections import OrderedDict

import numpy as np
import pytest
import torch
from brain_bundles.utils import load_weights, save_network
from brain_bundles.utils.saving import save_atomically, to_plain
from monai.data import MetaTensor
from torch import nn


def test_plain_form_of_containers_and_numbers():
    state = OrderedDict(a=np.float64(1.5), b=[np.arange(2), None], c=MetaTensor(torch.ones(2)), d=(1, "x", True))
    plain = to_plain(state)
    assert type(plain) is dict
    assert type(plain["a"]) is float
    assert type(plain["c"]) is torch.Tensor
    assert plain["b"][0].tolist() == [0, 1]
    assert plain["d"] == (1, "x", True)


def test_a_view_does_not_bring_its_storage(tmp_path):
    save_atomically(to_plain({"row": torch.zeros(1000, 1000)[0]}), tmp_path / "a.pt")
    assert (tmp_path / "a.pt").stat().st_size < 10_000


def test_what_needs_code_to_load_is_refused_by_name():
    with pytest.raises(TypeError, match=r"state\.a\[1\] is a function"):
        to_plain({"a": [1, lambda: None]})


def test_failure_while_writing_keeps_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "a.pt"
    save_atomically({"x": 1}, path)

    def fail(value, file):
        file.write(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(torch, "save", fail)
    with pytest.raises(OSError, match="disk full"):
        save_atomically({"x": 2}, path)
    assert torch.load(path, weights_only=True) == {"x": 1}
    assert [item.name for item in tmp_path.iterdir()] == ["a.pt"]


def test_file_is_loadable_from_a_permuted_layout(tmp_path):
    network = nn.Conv3d(2, 2, 3).to(memory_format=torch.channels_last_3d)
    save_network(network, tmp_path / "m.pt")
    assert torch.load(tmp_path / "m.pt", weights_only=True)["weight"].is_contiguous()
    assert torch.equal(load_weights(nn.Conv3d(2, 2, 3), tmp_path / "m.pt").weight, network.weight)
