"""The key of the cache of latents: what defines the latents, and nothing that use leaves behind."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from brain_bundles.data import CachedLatents, write_nifti
from brain_bundles.phantom import write_phantoms
from brain_bundles.transforms import image_preprocessing
from brain_bundles.utils.fingerprint import describe
from monai.bundle import ConfigParser
from torch import nn

BUNDLES = Path(__file__).parents[2] / "bundles"
CONFIGS = [
    path
    for path in sorted(BUNDLES.glob("*/configs/*.json"))
    if "image_preprocessing" in json.loads(path.read_text()) and path.stem.startswith("train")
]
CONTRASTS = ("T1w", "T2w", "FLAIR", "ce-gadolinium_T1w")


class Moments(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1))

    def encode_moments(self, image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return image * self.scale, torch.zeros_like(image)


class Counts:
    """A transform with state in an attribute of its constructor: no description can tell it from a setting."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, item: dict) -> dict:
        self.calls += 1
        return {**item, "image": torch.as_tensor(np.load(item["image"]))[None]}


@pytest.mark.parametrize("kind", ["of the configs", "with a counter"])
def test_a_restart_finds_every_cache_of_the_first_start(tmp_path, kind):
    """Training and validation share one transform; the first start uses it before it makes the second key."""
    if kind == "of the configs":
        for i in range(4):
            cube = np.zeros((10, 10, 10))
            cube[2:8, 2:8, 2:8] = np.random.default_rng(i).uniform(0.2, 1, (6, 6, 6))
            write_nifti(tmp_path / f"{i}.nii.gz", cube, np.eye(4))
    else:
        for i in range(4):
            np.save(tmp_path / f"{i}.npy", np.full((4, 4, 4), i, dtype=np.float32))
    items = [{"image": str(path)} for path in sorted(tmp_path.glob("[0-9].*"))]
    keys = []
    for _ in range(3):
        transform = image_preprocessing("image", 1.0, (8, 8, 8)) if kind == "of the configs" else Counts()
        parts = [
            CachedLatents(part, transform, Moments(), cache_dir=tmp_path / "cache") for part in (items[:2], items[2:])
        ]
        keys.append([part.key for part in parts])
    assert keys[0] == keys[1] == keys[2]
    assert keys[0][0] != keys[0][1]
    assert len(list((tmp_path / "cache").iterdir())) == 2


@pytest.fixture(scope="module")
def item(tmp_path_factory) -> dict[str, str]:
    folder = write_phantoms(
        tmp_path_factory.mktemp("phantoms"),
        num_subjects=1,
        suffixes=CONTRASTS,
        spacing=4.0,
        spatial_size=(40, 48, 40),
        num_workers=1,
    )
    images = {name: str(folder / f"sub-0001/anat/sub-0001_{name}.nii.gz") for name in CONTRASTS}
    return {**images, "image": images["T1w"], "label": images["T2w"]}


@pytest.mark.parametrize("config", CONFIGS, ids=lambda path: f"{path.parts[-3]} {path.stem}")
def test_use_does_not_change_the_description_of_any_config_s_preprocessing(item, config):
    parser = ConfigParser()
    parser.read_config(str(config))
    parser["bundle_root"] = str(config.parents[1])
    used, fresh = (parser.get_parsed_content("image_preprocessing", instantiate=True) for _ in range(2))
    before = describe(used)
    made = used(dict(item))
    assert any(isinstance(value, torch.Tensor) for value in made.values())
    assert describe(used) == before == describe(fresh)


class Scaled:
    def __init__(self, factor: float) -> None:
        self.factor = factor

    def apply(self, value: float) -> float:
        return value * self.factor


class Plain:
    """Without a constructor."""

    factor: float

    @classmethod
    def of(cls, factor: float) -> Plain:
        made = cls()
        made.factor = factor
        return made


def closure(factor: float):
    return lambda value: value * factor


def default(factor: float):
    return lambda value, by=factor: value * by


@pytest.mark.parametrize(
    "make",
    [
        Scaled,
        Plain.of,
        closure,
        default,
        lambda factor: Scaled(factor).apply,
        lambda factor: partial(Scaled.apply, factor),
        lambda factor: nn.Upsample(scale_factor=factor),
    ],
)
def test_every_way_to_give_a_setting_is_in_the_description(make):
    assert describe(make(2.0)) == describe(make(2.0)) != describe(make(3.0))
