"""Export the bundles that have weights, in both forms, and time the files beside the config's inference.

    python tests/benchmarks/exported_files.py
    python tests/benchmarks/exported_files.py --bundles brain_mri_segmenter

Images are two phantoms that no training has seen, prepared by the bundle's own preprocessing; covariates are random.
Differences are to the config's inferer in fp32. The last line compares two ways of torch to compute the same.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import brain_bundles
import torch
from brain_bundles.bundle import Bundle
from brain_bundles.export import FORMS, export_bundle
from brain_bundles.export.export_bundle import FIXED, TOLERANCE
from brain_bundles.phantom import write_phantoms
from brain_bundles.utils import generator_for

BUNDLES = Path(__file__).resolve().parents[2] / "bundles"
ENDINGS = {"onnx": ".onnx", "torchscript": ".ts"}


def timed(function: Callable[[], Any], repeats: int) -> tuple[Any, float]:
    """Result, and the median of the seconds after one call that is not timed."""
    seconds = []
    result = function()
    for _ in range(repeats):
        start = time.perf_counter()
        result = function()
        seconds.append(time.perf_counter() - start)
    return result, statistics.median(seconds)


def loaded(form: str, path: Path) -> Callable[[dict[str, torch.Tensor]], torch.Tensor]:
    if form == "torchscript":
        network = torch.jit.load(path)
        return torch.inference_mode()(lambda inputs: network(*inputs.values()))
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return lambda inputs: torch.from_numpy(session.run(None, {k: v.numpy() for k, v in inputs.items()})[0])


def cases(bundle: Bundle, scans: list[Path], shapes: dict[str, list[int]]) -> list[dict[str, torch.Tensor]]:
    """Inputs of a file: two people, and every target."""
    before, _ = bundle.transforms()
    found = []
    for number, scan in enumerate(scans):
        names = ["noise"] if "noise" in shapes else []  # the segmenter draws none
        noise = {name: torch.randn(shapes[name], generator=generator_for(number, name)) for name in names}
        if "context" in shapes:
            context = torch.rand(shapes["context"], generator=generator_for(number, "context"))
            found.append({"context": context, **noise})
            continue
        image = before({"image": str(scan)})["image"].as_tensor()[None].clone()
        if "target" not in shapes:
            found.append({"image": image, **noise})
        else:
            found += [{"image": image, "target": torch.tensor([n]), **noise} for n in range(4)]
    return found


def reference(bundle: Bundle) -> Callable[[dict[str, torch.Tensor], int], torch.Tensor]:
    """The config's inferer as a function of a file's inputs and the seed of their noise."""
    fixed = {key: value for key, value in FIXED.items() if key in bundle.keys}
    inferer, network = bundle.content("inferer", "network", **fixed)
    network.eval()
    sampler = getattr(inferer, "sampler", inferer)
    sampler.progress = False

    def run(inputs: dict[str, torch.Tensor], seed: int) -> torch.Tensor:
        options: dict[str, Any] = {"seeds": [seed]} if "noise" in inputs else {}
        if "target" in inputs:
            options["targets"] = [sampler.decoder.autoencoder.contrasts[int(inputs["target"])]]
        with torch.inference_mode():
            return inferer(inputs["context" if "context" in inputs else "image"], network, **options)

    return run


def difference(pairs: list[tuple[torch.Tensor, torch.Tensor]]) -> str:
    values = torch.cat([(one - other).abs().flatten() for one, other in pairs])
    return f"{float(values.max()):.1e} | {100 * float((values > TOLERANCE).double().mean()):.3f} %"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3, help="timed runs, after one that is not timed")
    parser.add_argument("--bundles", nargs="+", help="names of the bundles; by default all that have weights")
    given = parser.parse_args()
    repeats = given.repeats
    roots = sorted(path for path in BUNDLES.iterdir() if (path / "models" / "model.pt").is_file())
    if unknown := set(given.bundles or ()) - {path.name for path in roots}:
        parser.error(f"no bundle with weights: {', '.join(sorted(unknown))}")
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work)
        write_phantoms(folder / "data", num_subjects=2, suffixes=["T1w"], seed=99)
        scans = sorted((folder / "data").rglob("*_T1w.nii.gz"))
        print(f"{torch.get_num_threads()} threads, median of {repeats}")
        print("| bundle | form | MB | s to export | s per run | s in torch | largest difference | beyond 1e-4 |")
        print("| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |")
        for root in [path for path in roots if given.bundles is None or path.name in given.bundles]:
            bundle = brain_bundles.load(root)
            run = reference(bundle)
            for form in FORMS:
                path = folder / f"{root.name}{ENDINGS[form]}"
                start = time.perf_counter()
                about = export_bundle(bundle, path, form=form)
                exporting = time.perf_counter() - start
                inputs = cases(bundle, scans, {name: one["shape"] for name, one in about["inputs"].items()})
                seeds = [number * len(scans) // len(inputs) for number in range(len(inputs))]
                file = loaded(form, path)
                expected = [run(one, seed) for one, seed in zip(inputs, seeds, strict=True)]
                _, in_torch = timed(lambda: run(inputs[0], 0), repeats)  # noqa: B023
                _, in_file = timed(lambda: file(inputs[0]), repeats)  # noqa: B023
                pairs = [(file(one), other) for one, other in zip(inputs, expected, strict=True)]
                print(
                    f"| {root.name} | {form} | {path.stat().st_size / 1e6:.1f} | {exporting:.0f} | {in_file:.1f} | "
                    f"{in_torch:.1f} | {difference(pairs)} |",
                    flush=True,
                )
            with torch.backends.mkldnn.flags(enabled=False):
                other_way = [run(one, seed) for one, seed in zip(inputs, seeds, strict=True)]
            pairs = list(zip(other_way, expected, strict=True))
            print(f"| {root.name} | torch without oneDNN | | | | | {difference(pairs)} |", flush=True)


if __name__ == "__main__":
    main()
