"""The picture has the right brains beside each other, the closest pair first."""

import numpy as np
import pytest

pytest.importorskip("matplotlib")
from brain_bundles.data import write_nifti
from brain_bundles.evaluation import closest_pairs
from brain_bundles.evaluation.closest_pairs import draw_closest_pairs
from brain_bundles.evaluation.image_sets import Grid
from scipy import ndimage


@pytest.fixture
def images(tmp_path):
    """Textures by seed on a grid of 16 voxels, with noise of their own."""

    def make(name, seeds, noise):
        paths = []
        for i, seed in enumerate(seeds):
            texture = ndimage.gaussian_filter(np.random.default_rng(seed).standard_normal((16, 16, 16)), 2)
            own = ndimage.gaussian_filter(np.random.default_rng(100 + i).standard_normal((16, 16, 16)), 2)
            image = (0.5 + 0.15 * (texture + noise[i] * own) / texture.std()).clip(0.05, 1)
            paths.append(tmp_path / name / f"{name}-{i}.nii.gz")
            write_nifti(paths[-1], image, np.diag([2, 2, 2, 1]))
        return Grid(2.0, (16, 16, 16)).images(paths, real=False)

    return make


def test_pairs_are_in_the_order_of_their_likeness(images, tmp_path, monkeypatch):
    training = images("training", [1, 2, 3, 4], [0, 0, 0, 0])
    generated = images("generated", [2, 9, 4], [0.5, 0, 0.1])
    drawn = {}
    save = closest_pairs.save_montage
    monkeypatch.setattr(
        closest_pairs,
        "save_montage",
        lambda path, volumes, labels, **how: (
            drawn.update(volumes=volumes, labels=labels),
            save(path, volumes, labels, **how),
        ),
    )
    held_out = images("held_out", [20, 21], [0, 0])
    draw_closest_pairs(tmp_path / "pairs.png", generated, training, held_out, spacing=2.0, number=2)
    assert (tmp_path / "pairs.png").read_bytes().startswith(b"\x89PNG")
    names = [label.split(": ")[1].split(",")[0] for label in drawn["labels"]]
    assert names == ["generated-2.nii.gz", "training-3.nii.gz", "generated-0.nii.gz", "training-1.nii.gz"]
    for shown, (set_, index) in zip(
        drawn["volumes"], [(generated, 2), (training, 3), (generated, 0), (training, 1)], strict=True
    ):
        assert (shown == set_[index][0]).all()
