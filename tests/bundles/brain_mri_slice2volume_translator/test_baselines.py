"""The baselines by their configs: what they train on, what they write, and what they refuse."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from brain_bundles.utils.loading import read_plain, read_recipe
from ignite.engine import Events

from .conftest import Bundle


@pytest.fixture
def bundle(tiny_pairs, tmp_path) -> Bundle:
    """A bundle without any weights: baselines need none."""
    return Bundle(tiny_pairs, tmp_path / "models")


def causes(error: BaseException | None) -> str:
    """The messages of an error and of all its causes."""
    return "" if error is None else f"{error}\n{causes(error.__cause__)}"


@pytest.mark.parametrize(("spatial_dims", "shape"), [(2, (2, 1, 32, 48)), (3, (2, 1, 32, 48, 32))])
def test_the_unet_trains_on_slices_or_on_volumes(bundle, tmp_path, spatial_dims, shape):
    workflow = bundle.run("baseline_unet", tmp_path / "out", spatial_dims=spatial_dims)
    batch = next(iter(workflow.parser.get_parsed_content("train::dataloader")))
    assert batch["image"].shape == batch["label"].shape == shape
    path = bundle.ckpt_dir / f"unet_{spatial_dims}d.pt"
    assert read_plain(path)["model.0.conv.unit0.conv.weight"].ndim == spatial_dims + 2
    recipe = read_recipe([path])
    expected = {"source": "T1w", "target": "T2w", "spatial_dims": spatial_dims, "slice_axis": 2}
    assert {key: recipe[key] for key in expected} == expected
    assert [path.name for path in sorted((tmp_path / "out").glob("*.png"))] == ["samples_0002.png"]
    again = bundle.workflow("baseline_unet", tmp_path / "again", initial_weights=str(path))
    again.initialize()
    assert again.parser.get_parsed_content("spatial_dims") == spatial_dims  # of the weights


def test_the_unet_learns_a_translation(bundle, tmp_path):
    """Of two phantoms, by heart: the error falls below half of that of the first steps."""
    losses: list[float] = []
    workflow = bundle.workflow(
        "baseline_unet", tmp_path / "out", samples_per_epoch=40, batch_size=8, max_epochs=8, val_interval=8
    )
    workflow.initialize()
    trainer = workflow.parser.get_parsed_content("train::trainer")

    trainer.add_event_handler(
        Events.ITERATION_COMPLETED, lambda engine: losses.append(float(engine.state.output[0]["loss"]))
    )
    workflow.run()
    assert torch.tensor(losses[-5:]).mean() < 0.5 * torch.tensor(losses[:5]).mean()


def test_a_grid_that_the_unet_cannot_halve_is_refused_before_the_data_is_read(tmp_path):
    bundle = Bundle(Path("missing"), tmp_path / "models")
    for options, shown in (
        ({"spatial_size": [32, 44, 32]}, r"[32, 44]"),  # slices along the last axis
        ({"spatial_size": [32, 48, 36], "spatial_dims": 3}, r"[32, 48, 36]"),
    ):
        with pytest.raises(RuntimeError) as error:
            bundle.run("baseline_unet", tmp_path / "out", **options)
        assert f"spatial_size is {shown}, which does not pass through UNet" in causes(error.value)


def test_the_cyclegan_never_sees_a_pair(bundle, tmp_path):
    workflow = bundle.run("baseline_cyclegan", tmp_path / "out")
    dataset = workflow.parser.get_parsed_content("train::dataset")
    pairs = dataset.data
    for index in range(len(dataset)):
        others = [place for place in range(len(pairs)) if place != index]
        made, own = dataset[index], pairs[index]
        assert torch.equal(made["image"], own["image"])
        assert not torch.equal(made["label"], own["label"])
        assert any(torch.equal(made["label"], pairs[place]["label"]) for place in others)
    state = read_plain(bundle.ckpt_dir / "cyclegan.pt")
    average = workflow.parser.get_parsed_content("ema").ema_network.to_target.state_dict()
    assert state.keys() == average.keys()
    assert all(torch.equal(state[key], average[key]) for key in state)
    assert [path.name for path in sorted((tmp_path / "out").glob("*.png"))] == ["samples_0002.png"]
    checkpoint = read_plain(tmp_path / "out" / "checkpoint.pt")
    assert len(checkpoint["image_pool"]["images"]) == 2


@pytest.mark.parametrize("spatial_dims", [2, 3])
def test_palette_trains_and_samples(bundle, tmp_path, spatial_dims):
    workflow = bundle.run("baseline_palette", tmp_path / "out", spatial_dims=spatial_dims)
    path = bundle.ckpt_dir / f"palette_{spatial_dims}d.pt"
    recipe = read_recipe([path])
    assert recipe["spatial_dims"] == spatial_dims
    assert recipe["prediction_type"] == "v_prediction"
    assert len(recipe["noise_schedule"]) > 0
    assert [path.name for path in sorted((tmp_path / "out").glob("*.png"))] == ["samples_0002.png"]
    sampler = workflow.parser.get_parsed_content("preview_sampler")
    network = workflow.parser.get_parsed_content("network").eval()
    source = torch.rand(2, 1, 32, 48, 32)
    made = sampler(source, network, seeds=[1, 2])
    assert made.shape == source.shape
    torch.testing.assert_close(sampler(source[1:], network, seeds=[2]), made[1:], atol=1e-5, rtol=1e-4)
    assert not torch.equal(sampler(source[1:], network, seeds=[3]), made[1:])


def test_palette_denoises_with_the_source_in_its_own_place(bundle, tmp_path):
    """A network that knows the answer: it predicts the velocity of the source itself, which the sampler then makes."""
    for spatial_dims in (2, 3):
        workflow = bundle.workflow("baseline_palette", tmp_path / "out", spatial_dims=spatial_dims, slice_axis=1)
        workflow.initialize()
        sampler = workflow.parser.get_parsed_content("preview_sampler")
        scheduler = workflow.parser.get_parsed_content("scheduler")

        def velocity(x, timesteps, scheduler=scheduler):
            noisy, source = x[:, :1], x[:, 1:]
            signal = scheduler.alphas_cumprod[timesteps.long()].view(-1, *(1,) * (x.ndim - 1)).sqrt()
            spread = (1 - signal.square()).sqrt()
            return signal * (noisy - signal * source) / spread - spread * source

        source = torch.rand(1, 1, 32, 48, 32)
        torch.testing.assert_close(sampler(source, velocity, seeds=[0]), source, atol=1e-4, rtol=1e-3)


def test_a_grid_that_palette_cannot_halve_is_refused(tmp_path):
    bundle = Bundle(Path("missing"), tmp_path / "models")
    with pytest.raises(RuntimeError) as error:
        bundle.run("baseline_palette", tmp_path / "out", spatial_size=[32, 44, 32])
    assert "spatial_size is [32, 44], but 44 is not a multiple of 8" in causes(error.value)
