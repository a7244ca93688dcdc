"""Settings that several config files repeat are the same in all: MONAI's tools read each file alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
# The source of the blocks that all bundles share: change a block here, and in the files that the test then names.
SHARED: dict[str, Any] = json.loads((HERE / "shared_blocks.json").read_text())
BUNDLES = sorted(path for path in (HERE.parents[1] / "bundles").iterdir() if (path / "configs").is_dir())
# Settings of a single stage: its engines (train, validate), its data, and the rest that may differ between stages.
OF_A_STAGE = {
    *(
        "_desc_",
        "imports",
        "dataset_dir",
        "output_dir",
        "image_preprocessing",
        "train",
        "validate",
        "initialize",
        "run",
        "weights_recipe",
    ),
    *("batch_size", "samples_per_epoch", "max_epochs", "val_interval", "preview_interval", "slices_per_window"),
    *("learning_rate", "muon_learning_rate", "discriminator_learning_rate", "ema_decay", "optimizer", "scheduler"),
    *("adversarial_weight", "adversarial_warmup_epochs", "channel_weight_power", "cycle_weight", "discriminator_def"),
    *("network", "autoencoder", "slicewise", "ema_generator", "learner"),
}
# The baseline names another network; a training names contrasts, and segmenting takes all.
# Without a recipe a training has the range of its default data, an inference that of the weights that ship: MONAI's own
# loader gives the network without the paths at which a recipe is found.
OTHER_SETTING = {
    ("brain_mri_slice2volume_translator", "network_def"),
    ("brain_mri_segmenter", "contrasts"),
    ("brain_mri_generator", "default_bounds"),
}
# Whole heads have another grid and another scale than brains. The perceptual loss was measured for the first stage of
# the generator: of the others one is of slices, which the segmenter does not take, and one of four contrasts.
OWN_BLOCKS = {
    ("brain_mri_generator", "perceptual_network"),
    ("brain_mri_generator", "perceptual_weight"),
    ("brain_mri_segmenter", "spatial_size"),
    ("brain_mri_segmenter", "intensity_scale"),
    ("brain_mri_segmenter", "train::sampler"),  # people of a population stay in their order
}


def entries(bundle: Path) -> dict[str, dict[str, Any]]:
    """File -> content of the configs that are no overlays."""
    contents = {path.name: json.loads(path.read_text()) for path in sorted((bundle / "configs").glob("*.json"))}
    return {name: content for name, content in contents.items() if "bundle_root" in content}


def look_up(config: Any, key: str) -> tuple[Any, bool]:
    """Value of a nested key, and True if the key exists."""
    for part in key.split("::"):
        if not isinstance(config, dict) or part not in config:
            return None, False
        config = config[part]
    return config, True


@pytest.mark.parametrize("bundle", BUNDLES, ids=lambda path: path.name)
def test_one_setting_has_one_default_in_all_files_of_a_bundle(bundle):
    files = entries(bundle)
    assert len(files) >= 2
    for key in {key for content in files.values() for key in content} - OF_A_STAGE:
        if (bundle.name, key) not in OTHER_SETTING:
            values = {name: content[key] for name, content in files.items() if key in content}
            assert len({json.dumps(value) for value in values.values()}) == 1, (key, values)


@pytest.mark.parametrize("bundle", BUNDLES, ids=lambda path: path.name)
def test_shared_blocks_are_those_of_their_source(bundle):
    for name, content in entries(bundle).items():
        for key, block in SHARED.items():
            found, there = look_up(content, key)
            own = (bundle.name, key) in OWN_BLOCKS
            assert not there or (found == block) != own, f"{bundle.name}/{name}: {key}"


def test_every_shared_block_is_used_by_several_files():
    for key in SHARED:
        uses = [name for bundle in BUNDLES for name, content in entries(bundle).items() if look_up(content, key)[1]]
        assert len(uses) > 1, key


def components(config: Any) -> list[tuple[str, dict[str, Any]]]:
    """(target, block) of every component; of a lazy one, the target that it makes."""
    if isinstance(config, list):
        return [found for entry in config for found in components(entry)]
    if not isinstance(config, dict):
        return []
    target = config.get("make", config).get("_target_") if isinstance(config.get("make", config), dict) else None
    own = [(str(target), config)] if target and config.get("_mode_") != "callable" else []
    return own + [found for value in config.values() for found in components(value)]


CHECKED = ("checked_datalist", "paired_datalist", "image_datalist", "contrast_datalist", ".translation_inputs")


def readers_of_datasets(config: Any) -> list[dict[str, Any]]:
    ends = ("_datalist", ".translation_inputs", ".segmentation_inputs", ".evaluate_generated")
    return [block for target, block in components(config) if target.endswith(ends)]


@pytest.mark.parametrize("bundle", BUNDLES, ids=lambda path: path.name)
def test_every_reader_of_a_dataset_takes_the_keys_that_choose_and_refuse(bundle):
    files = {path.name: json.loads(path.read_text()) for path in sorted((bundle / "configs").glob("*.json"))}
    reading = {name: readers_of_datasets(content) for name, content in files.items()}
    assert sum(map(len, reading.values())) >= 4
    # bids_datalist looks at no image; the validation that it serves is checked with the training (check_also).
    checking = {
        name: [block for target, block in components(content) if target.endswith(CHECKED)]
        for name, content in files.items()
    }
    # The segmenter takes whole heads and brains, so nothing is doubted and ``strict`` would refuse nothing.
    assert any(checking.values()) or bundle.name == "brain_mri_segmenter"
    for key, default, using in (("entities", None, reading), ("strict", False, checking)):
        for name, blocks in using.items():
            assert all(block.get(key) == f"@{key}" for block in blocks), name
            if blocks:  # a file without a root lies over inference.json
                below = {} if "bundle_root" in files[name] else files["inference.json"]
                assert (below | files[name])[key] is default, name


@pytest.mark.parametrize("bundle", BUNDLES, ids=lambda path: path.name)
def test_weights_to_go_on_from_are_loaded_before_data_are_made(bundle):
    """Weights of another recipe are refused at once, not after an hour of rendering and encoding."""
    for name, config in entries(bundle).items():
        steps = [step.get("_target_", "") if isinstance(step, dict) else "" for step in config.get("run", [])]
        loads = [number for number, step in enumerate(steps) if step.endswith("load_weights")]
        if loads and (prepared := [number for number, step in enumerate(steps) if step.endswith("prepare_data")]):
            assert max(loads) < min(prepared), name
