"""The recipe of a network in its weights: every way that weights travel, and every contradiction."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch
from brain_bundles.utils import (
    Recipe,
    decode_recipe,
    encode_recipe,
    load_weights,
    read_recipe,
    recipe_of,
    save_network,
    weights_fingerprint,
    with_recipe,
)
from brain_bundles.utils.recipe import RECIPE_BYTES, RECIPE_KEY
from ignite.engine import Engine
from monai.handlers import CheckpointLoader
from monai.networks.utils import copy_model_state, get_state_dict
from torch import nn

VALUES = {
    "spacing": 2.0,
    "spatial_size": [8, 8, 8],
    "contrasts": ["T1w", "ce-gadolinium_T1w", "žluťoučký"],
    "bounds": {"age": [40.0, 86.0]},
    "use_source": True,
    "autoencoder": None,
    "intensity_scale": "median",
}


def network(**changes: object) -> nn.Module:
    torch.manual_seed(0)
    return with_recipe(nn.Sequential(nn.Conv3d(1, 2, 3), nn.GroupNorm(2, 2)), {**VALUES, **changes})


def blank() -> nn.Module:
    """The same network with a recipe that nobody set, as a class of ours is built by MONAI's loaders."""
    made = network()
    made.recipe.values = {}
    return made


def kept(made: nn.Module) -> bool:
    return {key: value for key, value in recipe_of(made).items() if key in VALUES} == VALUES


def test_a_recipe_is_a_plain_tensor_of_one_shape():
    code = encode_recipe(VALUES)
    assert code.shape == (RECIPE_BYTES,)
    assert code.dtype == torch.uint8
    assert decode_recipe(code) == VALUES
    assert decode_recipe(encode_recipe({})) == {}
    assert not encode_recipe({}).any()


def test_weights_from_before_the_entry_have_the_scale_of_that_time(tmp_path):
    old = {key: value for key, value in VALUES.items() if key != "intensity_scale"}
    assert decode_recipe(encode_recipe(old)) == {**old, "intensity_scale": "percentiles"}
    made = network()
    del made.recipe.values["intensity_scale"]
    path = save(made, tmp_path / "old.pt")
    assert read_recipe([path])["intensity_scale"] == "percentiles"
    assert recipe_of(load_weights(blank(), path))["intensity_scale"] == "percentiles"
    with pytest.raises(ValueError, match="intensity_scale is percentiles in the weights and median here"):
        load_weights(network(), path)


def test_a_recipe_too_long_is_refused():
    with pytest.raises(ValueError, match=f"at most {RECIPE_BYTES} fit: notes"):
        encode_recipe({"notes": "x" * RECIPE_BYTES})


@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
def test_files_carry_it(tmp_path, suffix):
    path = save(network(), tmp_path / f"model{suffix}")
    loaded = load_weights(blank(), path)
    assert kept(loaded)
    found = read_recipe([None, tmp_path / "missing.pt", path])
    assert {key: found[key] for key in VALUES} == VALUES


def save(made: nn.Module, path: Path) -> Path:
    if path.suffix == ".safetensors":
        from safetensors.torch import save_file

        save_file(made.state_dict(), path)
    else:
        save_network(made, path)
    return path


def test_torch_loads_it_strictly_and_without_code(tmp_path):
    state = torch.load(save(network(), tmp_path / "model.pt"), weights_only=True)
    made = blank()
    made.load_state_dict(state, strict=True)
    assert kept(made)


def test_monais_checkpoint_loader_carries_it(tmp_path):
    made = blank()
    loader = CheckpointLoader(str(save(network(), tmp_path / "model.pt")), {"network": made}, strict=True)
    loader(Engine(lambda *_: None))
    assert kept(made)


def test_a_network_of_another_library_gets_one_with_its_weights(tmp_path):
    plain = nn.Sequential(nn.Conv3d(1, 2, 3), nn.GroupNorm(2, 2))
    assert kept(load_weights(plain, save(network(), tmp_path / "model.pt")))


def test_averages_of_equal_recipes_keep_them_and_of_others_are_refused():
    """A server averages what clients send, as numbers."""
    same = [get_state_dict(network()) for _ in range(3)]
    average = {key: torch.stack([state[key].float() for state in same]).mean(0) * 0.9999999 for key in same[0]}
    made = network()
    copy_model_state(made, average)
    assert kept(made)
    others = [get_state_dict(network(spacing=spacing)) for spacing in (1.0, 3.0)]
    average = {key: torch.stack([state[key].float() for state in others]).mean(0) for key in others[0]}
    with pytest.raises(ValueError, match="average of different recipes"):
        copy_model_state(blank(), average)


def test_an_exchange_with_weights_of_another_recipe_is_refused():
    with pytest.raises(ValueError, match=r"spacing is 3.0 in the weights and 2.0 here"):
        copy_model_state(network(), get_state_dict(network(spacing=3.0)))


def test_blank_weights_and_differences_leave_it_alone():
    """A server that built the network itself sends a blank one; a difference of equal recipes is 0."""
    made = network()
    copy_model_state(made, get_state_dict(blank()))
    assert kept(made)
    difference = {key: value - value for key, value in get_state_dict(network()).items()}
    made.load_state_dict({**made.state_dict(), RECIPE_KEY: difference[RECIPE_KEY]})
    assert kept(made)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"spacing": 1.0}, "spacing is 2.0 in the weights and 1.0 here"),
        ({"contrasts": ["T1w"]}, r"contrasts is \['T1w', 'ce-gadolinium_T1w', .* here"),
        ({"bounds": {"age": [20.0, 86.0]}}, r"bounds::age is \[40.0, 86.0\] in the weights and \[20.0, 86.0\] here"),
        ({"use_source": False}, "use_source is True in the weights and False here"),
        ({"spacing": None}, "spacing is 2.0 in the weights and None here"),
    ],
)
def test_a_contradiction_names_file_and_both_values(tmp_path, changes, message):
    path = save(network(), tmp_path / "model.pt")
    with pytest.raises(ValueError, match=rf"model\.pt: the recipe of the weights is another one: {message}"):
        load_weights(network(**changes), path)
    key = next(iter(changes))
    loaded = load_weights(network(**changes), path, may_differ=[key])
    assert recipe_of(loaded)[key] == changes[key]  # what a training sets anew


def test_what_one_side_does_not_know_is_no_contradiction(tmp_path):
    path = save(network(), tmp_path / "model.pt")
    loaded = load_weights(network(source="T1w"), path)
    assert recipe_of(loaded)["source"] == "T1w"
    assert kept(loaded)


def test_the_grid_may_differ_unless_positions_were_learned(tmp_path):
    path = save(network(), tmp_path / "model.pt")
    loaded = load_weights(network(spatial_size=[16, 8, 8]), path)
    assert recipe_of(loaded)["spatial_size"] == [16, 8, 8]
    positioned = nn.Sequential(nn.Conv3d(1, 2, 3))
    positioned.position = nn.Parameter(torch.zeros(1, 2, 4, 4, 4))
    path = save(with_recipe(copy.deepcopy(positioned), VALUES), tmp_path / "positioned.pt")
    with pytest.raises(ValueError, match=r"spatial_size is \[8, 8, 8\] in the weights and \[16, 8, 8\] here"):
        load_weights(with_recipe(positioned, {**VALUES, "spatial_size": [16, 8, 8]}), path)


def test_a_layout_that_shapes_do_not_show_is_compared(tmp_path):
    path = save(network(), tmp_path / "model.pt")
    other = with_recipe(nn.Sequential(nn.Conv3d(1, 2, 3), nn.GroupNorm(1, 2)), VALUES)
    with pytest.raises(ValueError, match=r"norm_groups is \[2\] in the weights and \[1\] here"):
        load_weights(other, path)


def test_the_last_digits_of_a_noise_schedule_do_not_count(tmp_path):
    path = save(network(noise_schedule={"alphas_cumprod": [0.9985, 2.5555e-07]}), tmp_path / "model.pt")
    load_weights(network(noise_schedule={"alphas_cumprod": [0.9985, 2.5556e-07]}), path)
    with pytest.raises(ValueError, match="noise_schedule::alphas_cumprod"):
        load_weights(network(noise_schedule={"alphas_cumprod": [0.9985, 3e-07]}), path)


def test_weights_without_one_say_how_to_give_them_one(tmp_path):
    state = {key: value for key, value in network().state_dict().items() if key != RECIPE_KEY}
    torch.save(state, tmp_path / "old.pt")
    with pytest.raises(ValueError, match=r"old\.pt has no recipe.*python -m brain_bundles recipe WEIGHTS --set"):
        load_weights(network(), tmp_path / "old.pt")
    assert read_recipe([tmp_path / "old.pt"]) == {}


def test_a_damaged_one_is_refused(tmp_path):
    state = network().state_dict()
    state[RECIPE_KEY][50] ^= 1
    torch.save(state, tmp_path / "damaged.pt")
    with pytest.raises(ValueError, match=r"damaged\.pt: the recipe of these weights is damaged"):
        load_weights(network(), tmp_path / "damaged.pt")


def test_the_hash_of_weights_is_that_of_their_numbers():
    assert weights_fingerprint(network()) == weights_fingerprint(network(spacing=1.0)) == weights_fingerprint(blank())


def test_a_copy_has_its_own():
    made = network()
    twin = copy.deepcopy(made)
    assert isinstance(twin.recipe, Recipe)
    twin.recipe.values["spacing"] = 1.0
    assert kept(made)
