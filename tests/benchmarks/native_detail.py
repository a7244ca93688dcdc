"""What the detail of the source brings to a translation that is made at 2 mm, on the source's own grid.

    python tests/benchmarks/native_detail.py FOLDER [--model] [--contrasts T1w FLAIR] [--lesions SEGMENTATION]

``FOLDER`` has the registered, brain-extracted contrasts of one person at a finer resolution, under names that data sets
use. Each is translated to each other one and brought back: by interpolation alone, and with the local slope. Without
``--model`` the translation is the true target at 2 mm: the limit. With it, the adaptive translator that ships makes it.

PSNR (dB) and SSIM within the brain, on the scale of the model; power of 0.11 to 0.25 and of 0.25 to 0.5 cycles/mm as a
share of the target's. Then PSNR where detail could be invented: where the source has fine structure and the target has
not (see ``source_alone``), and in the lesions, the voxels of the segmentation above 0.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path

import brain_bundles
import numpy as np
import torch
from brain_bundles.data.contrast_spellings import contrast_of
from brain_bundles.data.read_image import read_image, read_values
from brain_bundles.metrics.power_bands import radial_power
from brain_bundles.metrics.ssim import ssim_maps
from brain_bundles.transforms import ScaleForeground, image_preprocessing, translation_postprocessing
from monai.bundle import ConfigParser
from scipy import ndimage

EDGE = 3  # half of the window of SSIM
BANDS = ((0.11, 0.25), (0.25, 0.5))
COLUMNS = ("source", "target", "way", "PSNR", "SSIM", "power", "fine power", "source alone", "lesions")


def psnr(made: torch.Tensor, true: torch.Tensor, where: torch.Tensor) -> float:
    return -10 * float((made - true)[where].square().mean().log10()) if where.any() else float("nan")


def source_alone(source: torch.Tensor, target: torch.Tensor, inside: torch.Tensor) -> torch.Tensor:
    """Voxels whose fine structure is among the strongest tenth of the source's, and the weakest half of the target's.

    Fine structure is what a voxel has beyond the mean of the 5 x 5 x 5 voxels around it.
    """

    def fine(volume: torch.Tensor) -> torch.Tensor:
        return (volume - torch.from_numpy(ndimage.uniform_filter(volume.numpy(), 5))).abs()

    inner = torch.from_numpy(ndimage.binary_erosion(inside.numpy(), iterations=3))
    strong, weak = fine(source), fine(target)
    high, low = np.quantile(strong[inner].numpy(), 0.9), np.quantile(weak[inner].numpy(), 0.5)
    return inner & (strong > high) & (weak < low)


def scores(made: torch.Tensor, true: torch.Tensor, inside: torch.Tensor, regions: list[torch.Tensor]) -> list[float]:
    """Entries of a row, of volumes (D, H, W)."""
    similar, _ = ssim_maps(made * inside, true * inside)
    (edges, own), (_, wanted) = (radial_power(one.numpy(), inside.numpy(), 1.0) for one in (made, true))
    bands = [(edges >= low) & (edges < high) for low, high in BANDS]
    return [
        psnr(made, true, inside),
        float(similar[inside[(slice(EDGE, -EDGE),) * 3]].mean()),
        *(float(own[band].sum() / wanted[band].sum()) for band in bands),
        *(psnr(made, true, region) for region in regions),
    ]


class Ways:
    """Both ways back of a translation, with the settings of the weights that ship."""

    def __init__(self, files: Mapping[str, Path], lesions: Path | None, model: bool) -> None:
        root = Path(brain_bundles.load("brain_mri_adaptive_translator").root)
        parser = ConfigParser()
        parser.read_config(root / "configs" / "inference.json")
        parser.update({"bundle_root": str(root), "input": "none", "device": "cpu"})
        names = ("spacing", "spatial_size", "intensity_scale", "intensity_percentiles")
        self.options = {name: parser.get_parsed_content(name) for name in names}
        self.scale = ScaleForeground(self.options["intensity_scale"], self.options["intensity_percentiles"])
        self.model = (parser.get_parsed_content("inferer"), parser.get_parsed_content("network")) if model else None
        self.files, self.lesions = files, None if lesions is None else torch.from_numpy(read_values(lesions).voxels > 0)

    def row(self, source: str, target: str) -> dict[str, list[float]]:
        """Way -> scores."""
        both = image_preprocessing(["image", "label"], **self.options, warn_cut=None)
        item = both({"image": self.files[source], "label": self.files[target]})
        pred = item["label"].as_tensor()
        if self.model is not None:
            inferer, network = self.model
            with torch.inference_mode():
                pred = inferer(item["image"][None], network, targets=[target], seeds=[0])[0].clamp(0, 1)
        one = image_preprocessing("image", **self.options, warn_cut=None)
        image = one({"image": self.files[source]})["image"]
        first, true = (
            self.scale(torch.from_numpy(read_image(self.files[name]).voxels)[None])[0] for name in (source, target)
        )
        inside = (first > 0) & (true > 0)
        (box,) = ndimage.find_objects(inside.numpy().astype(np.uint8))
        regions = [source_alone(first[box], true[box], inside[box])]
        regions.append(torch.zeros_like(regions[0]) if self.lesions is None else self.lesions[box] & inside[box])
        found = {}
        for way, detail in (("interpolated", False), ("with detail", True)):
            finish = translation_postprocessing(one, native_detail=detail)
            back = finish({"image": image, "pred": pred})["pred"].as_tensor()[0]
            found[way] = scores(back[box], true[box], inside[box], regions)
        return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", action="store_true")
    parser.add_argument("--contrasts", nargs="*")
    parser.add_argument("--lesions", type=Path)
    options = parser.parse_args()
    files = {contrast_of(path): path for path in sorted(options.folder.glob("*.nii.gz"))}
    names = options.contrasts or [name for name in files if name and " " not in name]
    ways = Ways({name: files[name] for name in names}, options.lesions, options.model)
    print(f"| {' | '.join(COLUMNS)} |", flush=True)
    for source in names:
        for target in names:
            if source != target:
                for way, found in ways.row(source, target).items():
                    numbers = [f"{value:.3f}" if at in (1, 2, 3) else f"{value:.2f}" for at, value in enumerate(found)]
                    print(f"| {' | '.join([source, target, way, *numbers])} |", flush=True)


if __name__ == "__main__":
    main()
