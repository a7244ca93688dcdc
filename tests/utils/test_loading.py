import pytest
import torch
from brain_bundles.utils import hash_file, load_weights, weights_hash
from safetensors.torch import save_file
from torch import nn


def net(width: int = 3, seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(2, width), nn.Linear(width, 1))


@pytest.mark.parametrize("suffix", ["pt", "safetensors"])
def test_round_trip(tmp_path, suffix):
    path = tmp_path / f"model.{suffix}"
    source, target = net(seed=1), net(seed=2)
    (save_file if suffix == "safetensors" else torch.save)(source.state_dict(), path)
    assert load_weights(target, path) is target
    for ours, theirs in zip(target.parameters(), source.parameters(), strict=True):
        assert torch.equal(ours, theirs)


def test_no_path_leaves_the_network_as_it_is():
    network = net()
    before = network[0].weight.clone()
    assert load_weights(network, None) is network
    assert torch.equal(network[0].weight, before)


def test_one_entry_of_a_file_with_several(tmp_path):
    source = net(seed=1)
    torch.save({"network": source.state_dict(), "epoch": 3}, tmp_path / "a.pt")
    assert torch.equal(load_weights(net(), tmp_path / "a.pt", key="network")[0].weight, source[0].weight)
    with pytest.raises(ValueError, match="has no entry 'ema'; found: 'network', 'epoch'"):
        load_weights(net(), tmp_path / "a.pt", key="ema")
    with pytest.raises(ValueError, match=r"not a state dict of tensors \(found: 'network', 'epoch'\)"):
        load_weights(net(), tmp_path / "a.pt")


def test_all_differences_are_named_and_nothing_is_loaded(tmp_path):
    state = net(width=4).state_dict()
    state["extra"] = state.pop("1.bias")
    torch.save(state, tmp_path / "a.pt")
    target = net()
    before = {name: value.clone() for name, value in target.state_dict().items()}
    with pytest.raises(ValueError, match="does not fit Sequential") as error:
        load_weights(target, tmp_path / "a.pt")
    for part in (
        "1 missing in the file: 1.bias",
        "1 unknown to the network: extra",
        "0.weight (4, 2) instead of (3, 2)",
    ):
        assert part in str(error.value)
    assert all(torch.equal(before[name], value) for name, value in target.state_dict().items())


def test_only_the_first_few_names_are_shown(tmp_path):
    torch.save({f"key{i}": torch.zeros(1) for i in range(9)}, tmp_path / "a.pt")
    with pytest.raises(ValueError, match=r"9 unknown to the network: key0, key1, key2, key3, key4, \.\.\."):
        load_weights(net(), tmp_path / "a.pt")


def test_unreadable_files_are_told_apart(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.pt does not exist"):
        load_weights(net(), tmp_path / "none.pt")
    (tmp_path / "lfs.pt").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\n")
    with pytest.raises(ValueError, match="is a Git LFS pointer"):
        load_weights(net(), tmp_path / "lfs.pt")
    torch.save(net(), tmp_path / "module.pt")
    with pytest.raises(ValueError, match="needs code to load"):
        load_weights(net(), tmp_path / "module.pt")


def test_parts_that_only_one_side_has_can_be_left_out(tmp_path):
    """All other parts must still match."""
    source, target = net(seed=1), net(seed=2)
    source.add_module("extra", nn.Linear(1, 1))
    torch.save(source.state_dict(), tmp_path / "a.pt")
    with pytest.raises(ValueError, match=r"2 unknown to the network: extra.weight, extra.bias"):
        load_weights(target, tmp_path / "a.pt")
    load_weights(target, tmp_path / "a.pt", without="extra")
    assert torch.equal(target[0].weight, source[0].weight)

    target.add_module("extra", nn.Linear(5, 1))
    before = target.extra.weight.clone()
    load_weights(target, tmp_path / "a.pt", without="extra")
    assert torch.equal(target.extra.weight, before)
    torch.save({"0.weight": source[0].weight}, tmp_path / "b.pt")
    with pytest.raises(ValueError, match="3 missing in the file"):
        load_weights(target, tmp_path / "b.pt", without="extra")


def test_a_network_knows_the_file_it_was_loaded_from(tmp_path):
    """Of the last file, and only if that holds all its weights; else its values are hashed."""
    for seed in (1, 2):
        torch.save(net(seed=seed).state_dict(), tmp_path / f"{seed}.pt")
    network = net()
    values = weights_hash(network)
    assert values.startswith("values:")
    assert values != weights_hash(net(seed=3))
    for seed in (1, 2):
        assert weights_hash(load_weights(network, tmp_path / f"{seed}.pt")) == hash_file(tmp_path / f"{seed}.pt")
    assert list(network.state_dict()) == list(net().state_dict())
    load_weights(network, None)
    assert weights_hash(network) == hash_file(tmp_path / "2.pt")
    load_weights(network, tmp_path / "1.pt", without="1.")
    assert weights_hash(network).startswith("values:")
