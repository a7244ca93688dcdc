"""`python -m brain_bundles recipe`: print and write the recipe of a file of weights."""

from __future__ import annotations

import json

import pytest
import torch
from brain_bundles import cli
from brain_bundles.utils import load_weights, recipe_of, with_recipe
from safetensors.torch import save_file
from torch import nn


def weights(path):
    torch.manual_seed(0)
    state = nn.Conv3d(1, 2, 3).state_dict()
    (save_file if path.suffix == ".safetensors" else torch.save)(state, path)
    return path, state


@pytest.mark.parametrize("name", ["model.pt", "model.safetensors"])
def test_weights_without_a_recipe_get_one_and_can_be_used(tmp_path, capsys, caplog, name):
    path, before = weights(tmp_path / name)
    assert cli.main(["recipe", str(path)]) == 1
    assert f"{path} has no recipe" in caplog.text
    with pytest.raises(ValueError, match="has no recipe"):
        load_weights(with_recipe(nn.Conv3d(1, 2, 3), {"spacing": 2.0}), path)
    assert cli.main(["recipe", str(path), "--set", "{'spacing': 2.0, 'contrasts': ['T1w']}"]) == 0
    assert json.loads(capsys.readouterr().out) == {"spacing": 2.0, "contrasts": ["T1w"]}
    assert cli.main(["recipe", str(path), "--set={'spacing': 1.5, 'contrasts': None}"]) == 0
    assert json.loads(capsys.readouterr().out) == {"intensity_scale": "percentiles", "spacing": 1.5}
    assert cli.main(["recipe", str(path)]) == 0
    assert json.loads(capsys.readouterr().out) == {"intensity_scale": "percentiles", "spacing": 1.5}
    loaded = load_weights(with_recipe(nn.Conv3d(1, 2, 3), {"spacing": 1.5}), path)
    assert recipe_of(loaded)["spacing"] == 1.5
    assert all(torch.equal(loaded.state_dict()[key], value) for key, value in before.items())


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["missing.pt"], 1, "missing.pt does not exist"),
        (["text.pt"], 1, "cannot be read as plain tensors"),
        (["text.pt", "--set", "spacing"], 2, "set must be settings by name"),
        (["text.pt", "--sett", "{}"], 2, "did you mean --set"),
    ],
)
def test_bad_input_is_named(tmp_path, caplog, monkeypatch, arguments, code, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.pt").write_text("no weights")
    assert cli.main(["recipe", *arguments]) == code
    assert message in caplog.text
