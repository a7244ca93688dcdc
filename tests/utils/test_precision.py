import pytest
import torch
from brain_bundles.utils import autocast, needs_loss_scaling, resolve_precision


def test_named_precisions_are_themselves():
    assert [resolve_precision(name, "cpu") for name in ("fp32", "bf16")] == ["fp32", "bf16"]


def test_auto_is_what_the_device_computes_in():
    assert resolve_precision("auto", "cpu") in ("fp32", "bf16")
    assert resolve_precision("auto", "meta") == "fp32"


@pytest.mark.parametrize(("precision", "dtype"), [("fp32", torch.float32), ("bf16", torch.bfloat16)])
def test_autocast_computes_in_the_precision(precision, dtype):
    with autocast(precision, "cpu"):
        assert torch.nn.Linear(2, 2)(torch.zeros(1, 2)).dtype == dtype


def test_bad_precisions_are_named():
    with pytest.raises(ValueError, match="precision is 'fp8'; allowed: fp32, bf16, fp16, auto"):
        resolve_precision("fp8", "cpu")
    with pytest.raises(ValueError, match="'fp16' needs a GPU"):
        autocast("fp16", "cpu")


def test_only_fp16_needs_its_loss_scaled(monkeypatch):
    assert not needs_loss_scaling("auto", "cpu")
    assert needs_loss_scaling("fp16", "cuda")
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: False)
    assert needs_loss_scaling("auto", "cuda")
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: True)
    assert not needs_loss_scaling("auto", "cuda")
