"""Weights: plain tensors that fit the network, read without running anything."""

from __future__ import annotations

import json
import pickle
import shutil
import struct
import tarfile

import numpy as np
import pytest
import torch

from .helpers import Evil, change, found


def test_a_pickle_in_the_weights_is_not_run(bundle, tmp_path):
    weights = bundle / "models" / "model.pt"
    torch.save({"weight": torch.zeros(2), "evil": Evil(tmp_path / "ran")}, weights)
    assert any(line.startswith("models/model.pt: is not a file of plain tensors") for line in found(bundle))
    weights.write_bytes(pickle.dumps(Evil(tmp_path / "ran")))
    assert any(line.startswith("models/model.pt: is not a file of plain tensors") for line in found(bundle))
    assert not (tmp_path / "ran").exists()


def test_weights_that_do_not_fit_the_network(bundle):
    path = bundle / "models" / "model.pt"
    state = torch.load(path, weights_only=True)
    name = next(iter(state))
    changed = {("another" if key == name else key): value for key, value in state.items()}
    torch.save(changed, path)
    where = "models/model.pt: does not fit network_def of configs/inference.json"
    assert found(bundle) == [f"{where}: 1 missing in the file: {name}; 1 unknown to the network: another"]
    torch.save({**state, name: torch.zeros(3)}, path)
    assert f"1 of another shape: {name} (3,) instead of " in found(bundle)[0]
    torch.save([1, 2], path)
    assert found(bundle) == ["models/model.pt: holds a list, expected tensors by name"]
    shutil.copy(bundle / "models" / "autoencoder.pt", path)  # weights of another model
    assert "does not fit network_def" in found(bundle)[0]


@pytest.mark.parametrize(
    "network",
    [
        "$torch.nn.Identity()",
        {"_target_": "monai.networks.utils.optional_import", "module": "evilmod"},
        {"_target_": "monai.networks.utils.save_state", "src": {}, "path": "ran"},
        {"_target_": "monai.networks.nets.resnet50", "pretrained": True},
        {"_target_": "torch.nn.Linear", "in_features": 10**9, "out_features": 10**9},
        {"_target_": "torch.nn.Linear", "in_features": "$-" + "-" * 3000 + "1", "out_features": 1},
        {"_target_": "torch.nn.Sequential", "x": "$[1] * 8000"},
        {"_target_": "torch.nn.LazyLinear", "out_features": 1},
        "@network_def",
    ],
)
def test_a_network_that_text_does_not_tell_is_not_built(bundle, network, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "evilmod.py").write_text("open('ran', 'w')")
    monkeypatch.syspath_prepend(tmp_path)
    change(bundle / "configs" / "inference.json", "network_def", network)
    lines = found(bundle)
    assert any("network_def: not judged: cannot be compared" in line or "cannot be checked" in line for line in lines)
    assert not (tmp_path / "ran").exists()


def test_safetensors_are_read_without_their_library(bundle):
    state = torch.load(bundle / "models" / "model.pt", weights_only=True)
    header, position = {}, 0
    for name, value in state.items():
        size = value.numel() * 4
        header[name] = {"dtype": "F32", "shape": list(value.shape), "data_offsets": [position, position + size]}
        position += size
    text = json.dumps(header).encode()
    (bundle / "models" / "model.pt").unlink()
    path = bundle / "models" / "model.safetensors"
    path.write_bytes(struct.pack("<Q", len(text)) + text + bytes(position))
    assert found(bundle) == []
    path.write_bytes(path.read_bytes()[:-1])
    assert found(bundle) == ["models/model.safetensors: is not a whole file of safetensors (cut off)"]


@pytest.mark.parametrize(
    "kind", ["archive", "protocol 0", "protocol 4", "array", "module", "junk", "cut", "empty", "tar"]
)
def test_the_refusal_never_advises_to_load_with_pickles(bundle, tmp_path, kind):
    """PyTorch's own error says that weights_only=False "will likely succeed"."""
    path = bundle / "models" / "model.pt"
    whole = path.read_bytes()
    evil = Evil(tmp_path / "ran")
    if kind in ("archive", "array", "module"):
        torch.save({"a": {"archive": evil, "array": np.zeros(2), "module": torch.nn.Linear(1, 1)}[kind]}, path)
    elif kind == "tar":
        with tarfile.open(path, "w") as tar:
            for name in ("sys_info", "pickle", "storages", "tensors"):
                tar.addfile(tarfile.TarInfo(name))
    else:
        numbers = {"protocol 0": 0, "protocol 4": 4}
        contents = {"junk": b"junk", "cut": whole[: len(whole) // 2], "empty": b""}
        path.write_bytes(contents[kind] if kind in contents else pickle.dumps(evil, protocol=numbers[kind]))
    (line,) = [line for line in found(bundle) if line.startswith("models/model.pt: ")]
    assert "is not a file of plain tensors (" in line
    assert "weights_only" not in line
    assert "trust" not in line
    assert not (tmp_path / "ran").exists()
