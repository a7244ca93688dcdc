"""Compare the images of two checkouts with the weights that ship: phantoms, samples, translations, voxel by voxel.

    python tests/benchmarks/compare_voxels.py BEFORE AFTER [--threads 1] [--precision fp32]

Both run in this environment, each with its own code, on the same machine and with the same number of threads. The exit
code is 1 if an array differs, or if only one checkout made a file.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import nibabel as nib
import numpy as np

GENERATOR = "brain_mri_generator"
SLICES = "brain_mri_slice2volume_translator"
ADAPTIVE = "brain_mri_adaptive_translator"
# name -> (bundle, settings); {phantoms} is one folder of volumes for both checkouts.
RUNS = {
    "generated": (GENERATOR, ["--num_samples", "2"]),
    "slices": (SLICES, ["--dataset_dir", "{phantoms}"]),
    "slices, three draws": (SLICES, ["--dataset_dir", "{phantoms}", "--num_draws", "3"]),
    "all targets": (ADAPTIVE, ["--dataset_dir", "{phantoms}"]),
    "missing targets": (ADAPTIVE, ["--dataset_dir", "{phantoms}", "--targets", "missing"]),
    "ten steps": (ADAPTIVE, ["--dataset_dir", "{phantoms}", "--targets", "['T2w']", "--num_inference_steps", "10"]),
}
CONTRASTS = ("T1w,T2w", "T1w,FLAIR")  # of the first and of the other phantoms


def run(checkout: Path, arguments: list[str], threads: int) -> None:
    """Run ``python arguments`` with the code of a checkout.

    Raises:
        RuntimeError: with the end of the log where it fails.
    """
    folders = [checkout / "common", *(path for path in (checkout / "bundles").iterdir() if path.is_dir())]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, folders)), "CUDA_VISIBLE_DEVICES": ""}
    environment |= {"OMP_NUM_THREADS": str(threads)}
    command = [sys.executable, "-W", "ignore", *arguments]
    done = subprocess.run(command, cwd=checkout, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{checkout}: {' '.join(arguments)}\n{done.stdout[-2000:]}{done.stderr[-4000:]}")


def phantoms(checkout: Path, folder: Path, threads: int) -> None:
    """Write two datasets of two subjects each, tumours among them."""
    for number, contrasts in enumerate(CONTRASTS):
        options = ["--num_subjects", "2", "--suffixes", contrasts, "--seed", str(7 + number), "--num_workers", "1"]
        options += ["--tumour_probability", "0.5"]
        run(checkout, ["-m", "brain_bundles", "phantom", str(folder / str(number)), *options], threads)


def infer(checkout: Path, bundle: str, settings: list[str], output: Path, threads: int) -> None:
    """Run a bundle's inference.json with its own weights."""
    root = checkout / "bundles" / bundle
    config = ["--config_file", str(root / "configs" / "inference.json"), "--bundle_root", str(root)]
    run(checkout, ["-m", "monai.bundle", "run", *config, "--output_dir", str(output), *settings], threads)


def difference(before: Path, after: Path) -> list[str]:
    """Describe the difference between the images of two folders; empty if all arrays and affines are equal."""
    # Results of earlier releases have no desc-synth in their names.
    first, second = (
        {path.relative_to(folder).as_posix().replace("_desc-synth", ""): path for path in folder.rglob("*.nii.gz")}
        for folder in (before, after)
    )
    if first.keys() != second.keys() or not first:
        return [f"files differ: {sorted(first.keys() ^ second.keys())}, {len(first)} in all"]
    found = []
    for name in sorted(first):
        one, two = (nib.loadsave.load(files[name]) for files in (first, second))
        a, b = np.asarray(one.dataobj), np.asarray(two.dataobj)
        if a.shape != b.shape or not np.array_equal(one.affine, two.affine):
            found.append(f"{name}: another grid")
        elif not np.array_equal(a, b):
            found.append(f"{name}: {np.mean(a != b):.2%} of the voxels, at most {np.abs(a - b).max():.3g}")
    return found


def main() -> int:
    """Compare and print a line per run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--precision", default="fp32")
    options = parser.parse_args()
    checkouts = [options.before.resolve(), options.after.resolve()]
    failed = False
    with tempfile.TemporaryDirectory() as folder:
        places = [Path(folder) / name for name in ("before", "after")]
        for checkout, place in zip(checkouts, places, strict=True):
            phantoms(checkout, place / "phantoms", options.threads)
        results = {"phantoms": difference(*(place / "phantoms" for place in places))}
        source = str(places[0] / "phantoms" / "1")
        for name, (bundle, settings) in RUNS.items():
            given = [one.format(phantoms=source) for one in settings] + ["--precision", options.precision]
            if bundle == SLICES:
                given = [one.replace(source, str(places[0] / "phantoms" / "0")) for one in given]
            for checkout, place in zip(checkouts, places, strict=True):
                infer(checkout, bundle, given, place / name, options.threads)
            results[name] = difference(*(place / name for place in places))
        for name, found in results.items():
            number = len(list((places[0] / name).rglob("*.nii.gz")))
            print(f"{name}: {'; '.join(found) if found else f'{number} images, all equal'}", flush=True)
            failed |= bool(found)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
