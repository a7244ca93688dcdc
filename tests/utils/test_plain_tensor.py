from __future__ import annotations

import numpy as np
import pytest
import torch
from brain_bundles.utils import plain_tensor
from monai.data import MetaTensor


@pytest.mark.parametrize(
    "values",
    [
        torch.rand(1, 2, 3, 3, 3),
        torch.rand(2, 2, 3, 3, 3).to(memory_format=torch.channels_last_3d),
        torch.rand(1, 2, 3, 3, 3).expand(4, -1, -1, -1, -1),
    ],
    ids=["contiguous", "channels last", "a view"],
)
def test_a_tensor_loses_its_metadata_and_nothing_else(values):
    tensor = MetaTensor(values, meta={"filename_or_obj": "a.nii.gz"})
    plain = plain_tensor(tensor)
    assert type(plain) is torch.Tensor
    assert (plain.data_ptr(), plain.stride(), plain.dtype) == (values.data_ptr(), values.stride(), values.dtype)
    assert torch.equal(plain, values)
    assert isinstance(tensor, MetaTensor)


def test_gradients_go_through():
    leaf = torch.ones(3, requires_grad=True)
    plain_tensor(MetaTensor(leaf)).square().sum().backward()
    assert leaf.grad.tolist() == [2, 2, 2]


def test_arrays_and_numbers_become_tensors():
    array = np.arange(3.0)
    assert type(plain_tensor(array)) is torch.Tensor
    assert plain_tensor(array).tolist() == [0, 1, 2]
    assert plain_tensor(2.5) == 2.5
