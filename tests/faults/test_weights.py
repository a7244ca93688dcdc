"""Weights: a damaged file is refused by name, and nobody is advised to run what is in it."""

from __future__ import annotations

import os
import pickle
import random
import tarfile
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from brain_bundles.utils import load_weights, read_plain
from brain_bundles.utils.failure import cause_of
from safetensors.torch import save_file
from torch import nn

ADVICE = ("weights_only", "add_safe_globals", "trust", "arbitrary code")


def network(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(8, 16), nn.Linear(16, 4))


def save(state: dict[str, torch.Tensor], path: Path, kind: str) -> None:
    if kind == "safetensors":
        save_file(state, path)
    else:
        torch.save(state, path, _use_new_zipfile_serialization=kind == "zip")


def damaged(content: bytes, draw: random.Random, where: Callable[[int], int]) -> bytes:
    """One of: a flipped bit, the beginning alone, a hole of zeros, a repeated part, bytes of something else."""
    place = where(len(content))
    kind = draw.randrange(5)
    if kind == 0:
        changed = bytearray(content)
        changed[place] ^= 1 << draw.randrange(8)
        return bytes(changed)
    if kind == 1:
        return content[:place]
    if kind == 2:
        return content[:place] + bytes(min(64, len(content) - place)) + content[place + 64 :]
    if kind == 3:
        return content[: place + 100] + content[place:]
    return content[:place] + draw.randbytes(64) + content[place + 64 :]


def load_or_refuse(target: nn.Module, path: Path) -> ValueError | None:
    try:
        load_weights(target, path)
    except ValueError as error:
        return error
    return None


@pytest.mark.parametrize("kind", ["zip", "legacy", "safetensors"])
def test_of_damaged_files_none_is_used(tmp_path, kind):
    """A zip has checksums. The other two forms have none for the values, so there the damage is in the structure."""
    path = tmp_path / ("model.safetensors" if kind == "safetensors" else "model.pt")
    state = network(1).state_dict()
    save(state, path, kind)
    content = path.read_bytes()
    draw = random.Random(0)
    structure = {"zip": len(content), "legacy": 300, "safetensors": 200}[kind]
    refused = 0
    for _ in range(200):
        path.write_bytes(damaged(content, draw, lambda size: draw.randrange(min(size, structure))))
        target = network()
        before = {name: value.clone() for name, value in target.state_dict().items()}
        refusal = load_or_refuse(target, path)
        expected = state if refusal is None else before
        if refusal is not None:
            assert str(path) in str(refusal)
            assert not any(word in "".join(traceback.format_exception(refusal)) for word in ADVICE)
            refused += 1
        if refusal is not None or kind == "zip":
            assert all(torch.equal(value, expected[name]) for name, value in target.state_dict().items())
    assert refused > 100


@pytest.mark.parametrize("mmap", [False, True])
def test_one_flipped_bit_of_a_tensor_is_found(tmp_path, mmap):
    """torch.load does not look at the checksums: 340 of 400 such files were used (torch 2.13)."""
    path = tmp_path / "latents.pt"
    torch.save({"mean": torch.arange(1000.0)}, path)
    content = bytearray(path.read_bytes())
    content[content.index(torch.arange(500.0, 502.0).numpy().tobytes())] ^= 1
    path.write_bytes(content)
    assert torch.load(path, weights_only=True, mmap=mmap)["mean"].shape == (1000,)
    with pytest.raises(ValueError, match=r"latents\.pt \(\d+ bytes\) cannot be read .* checksum of its part"):
        read_plain(path, mmap=mmap)


class Runs:
    def __reduce__(self):
        return os.system, ("touch ran",)


def write_pickle(path: Path, kind: str) -> None:
    if kind == "zip":
        torch.save(Runs(), path)
    elif kind == "legacy":
        torch.save(Runs(), path, _use_new_zipfile_serialization=False)
    elif kind == "pickle":
        path.write_bytes(pickle.dumps(Runs()))
    elif kind == "tar":  # torch's form of before 2016
        for name in ("storages", "tensors", "pickle"):
            (path.parent / name).write_bytes(pickle.dumps(Runs()))
        with tarfile.open(path, "w") as archive:
            for name in ("storages", "tensors", "pickle"):
                archive.add(path.parent / name, arcname=name)
    else:
        torch.jit.save(torch.jit.script(nn.Linear(1, 1)), path)


@pytest.mark.parametrize("kind", ["zip", "legacy", "pickle", "tar", "torchscript"])
@pytest.mark.filterwarnings("ignore")
def test_a_file_that_needs_code_is_refused_without_advice_to_run_it(tmp_path, monkeypatch, capsys, kind):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "model.pt"
    write_pickle(path, kind)
    with pytest.raises(ValueError, match=r"model\.pt \(\d+ bytes\) cannot be read as plain tensors") as caught:
        load_weights(network(), path)
    assert not (tmp_path / "ran").exists()
    shown = "".join(traceback.format_exception(caught.value)) + str(cause_of(caught.value))
    assert not any(word in shown for word in ADVICE), shown
    if kind in ("zip", "legacy"):
        assert f"it asks for {os.system.__module__}.system" in str(caught.value)


def test_a_pointer_of_git_lfs_is_named_for_every_form(tmp_path):
    for name in ("model.pt", "model.safetensors"):
        (tmp_path / name).write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\n")
        with pytest.raises(ValueError, match=f"{name} is a Git LFS pointer"):
            load_weights(network(), tmp_path / name)


def test_names_that_are_no_text_are_no_state_dict(tmp_path):
    torch.save({0: torch.zeros(1)}, tmp_path / "model.pt")
    with pytest.raises(ValueError, match=r"model\.pt is not a state dict of tensors"):
        load_weights(network(), tmp_path / "model.pt")


def test_a_truncated_checkpoint_of_each_length_is_named(tmp_path):
    path = tmp_path / "model.safetensors"
    save(network().state_dict(), path, "safetensors")
    content = path.read_bytes()
    for size in (0, 1, 7, 8, 20, len(content) // 2, len(content) - 1):
        path.write_bytes(content[:size])
        with pytest.raises(ValueError, match=rf"model\.safetensors \({size} bytes\) cannot be read as safetensors"):
            load_weights(network(), path)
