import torch
from brain_bundles.engines import scalar_losses
from monai.utils import CommonKeys


def test_losses_of_every_shape_of_output():
    item = {CommonKeys.LOSS: torch.tensor(1.0), "kl_loss": 2.0, "image": torch.zeros(2), "label": 3}
    assert scalar_losses(item) == scalar_losses([item, item]) == {"loss": 1.0, "kl_loss": 2.0}
    assert scalar_losses(None) == scalar_losses([]) == scalar_losses(3.0) == {}
