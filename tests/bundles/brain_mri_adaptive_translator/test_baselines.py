"""The baselines by their configs: what they train on, what they write, and what they refuse."""

from __future__ import annotations

import pytest
import torch
from brain_bundles.utils.loading import read_plain, read_recipe
from brain_mri_adaptive_translator import OneToManyInferer, OneToManyUNet
from monai.networks.nets import UNet

from .conftest import CONTRASTS, Bundle


@pytest.fixture
def bundle(tiny_contrasts, tmp_path) -> Bundle:
    """A bundle without any weights: baselines need none."""
    return Bundle(tiny_contrasts, tmp_path / "models")


def causes(error: BaseException | None) -> str:
    """The messages of an error and of all its causes."""
    return "" if error is None else f"{error}\n{causes(error.__cause__)}"


def test_one_unet_trains_for_all_pairs(bundle, tmp_path):
    bundle.run("baseline_unet", tmp_path / "out")
    recipe = read_recipe([bundle.ckpt_dir / "unet.pt"])
    assert recipe["contrasts"] == CONTRASTS
    assert recipe["trained_on"][0]["contrasts"] == CONTRASTS
    assert [path.name for path in sorted((tmp_path / "out").glob("*.png"))] == ["samples_0002.png"]
    with pytest.raises(RuntimeError) as error:
        bundle.run(
            "baseline_unet",
            tmp_path / "other",
            contrasts=CONTRASTS[::-1],
            initial_weights=str(bundle.ckpt_dir / "unet.pt"),
        )
    assert "contrasts is ['T1w', 'T2w', 'FLAIR'] in the weights" in causes(error.value)


def test_one_cyclegan_gives_both_directions(bundle, tmp_path):
    workflow = bundle.run("baseline_cyclegan", tmp_path / "out", source="T2w", target="FLAIR")
    average = workflow.parser.get_parsed_content("ema").ema_network
    for source, target, network in (("T2w", "FLAIR", average.to_target), ("FLAIR", "T2w", average.to_source)):
        path = bundle.ckpt_dir / f"cyclegan_{source}_{target}.pt"
        state, recipe = read_plain(path), read_recipe([path])
        assert all(torch.equal(state[key], value) for key, value in network.state_dict().items())
        assert (recipe["source"], recipe["target"]) == (source, target)
    assert [path.name for path in sorted((tmp_path / "out").glob("*.png"))] == ["samples_0002.png"]


def test_the_target_reaches_the_network_as_constant_channels():
    seen = []

    class Network(torch.nn.Module):
        def forward(self, x):
            seen.append(x)
            return x[:, :1] + 10 * x[:, 1:2] + 100 * x[:, 2:3]

    network = OneToManyUNet(Network(), ["T1w", "T2w"])
    image = torch.rand(2, 1, 4, 4, 4)
    made = network(image, torch.tensor([1, 0]))
    torch.testing.assert_close(made, image + torch.tensor([100.0, 10.0]).view(2, 1, 1, 1, 1))
    assert seen[0].shape == (2, 3, 4, 4, 4)
    both = OneToManyInferer(["T1w", "T2w"])(image[:1], network, targets=["T2w", "T1w"], seeds=[1, 2])
    torch.testing.assert_close(both, torch.cat([image[:1] + 100, image[:1] + 10], dim=1))


def test_bad_contrasts_are_named():
    with pytest.raises(ValueError, match="contrasts has a name twice: T1w, T1w"):
        OneToManyUNet(torch.nn.Identity(), ["T1w", "T1w"])
    infer = OneToManyInferer(CONTRASTS)
    network = OneToManyUNet(UNet(3, 4, 1, channels=(2, 4), strides=(2,)), CONTRASTS)
    with pytest.raises(ValueError, match="unknown contrast 'PDw'; this model knows T1w, T2w, FLAIR"):
        infer(torch.rand(1, 1, 4, 4, 4), network, targets=["PDw"])
    with pytest.raises(ValueError, match="got 2 sources, expected one"):
        infer(torch.rand(2, 1, 4, 4, 4), network, targets=["T2w"])
