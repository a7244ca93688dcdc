"""Runs of a bundle's configs with tiny settings, in this process or in others."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import nibabel as nib
import numpy as np
import torch
from brain_bundles.utils.loading import read_plain
from monai.bundle import ConfigWorkflow


class BundleRunner:
    """One bundle with a dataset and a folder of weights; a subclass names the tiny settings of each config.

    Attributes:
        root: the bundle's folder.
        variants: name of a stage that is an overlay -> the files that it is run with.
    """

    root: Path
    variants: ClassVar[Mapping[str, tuple[str, ...]]] = {}

    def __init__(self, dataset_dir: Path, ckpt_dir: Path) -> None:
        self.dataset_dir, self.ckpt_dir = dataset_dir, ckpt_dir

    def overrides(self, name: str, output_dir: Path, **options: object) -> dict[str, object]:
        raise NotImplementedError

    def files(self, name: str, *overlays: str) -> list[str]:
        parts = (*self.variants.get(name, (name,)), *overlays)
        return [str(self.root / "configs" / f"{part}.json") for part in parts]

    def workflow(self, name: str, output_dir: Path, *overlays: str, **options: object) -> ConfigWorkflow:
        return ConfigWorkflow(
            config_file=self.files(name, *overlays),
            meta_file=str(self.root / "configs" / "metadata.json"),
            logging_file=str(self.root / "configs" / "logging.conf"),
            workflow_type="infer" if name.endswith("inference") else "train",
            bundle_root=str(self.root),
            **self.overrides(name, output_dir, **options),
        )

    def run(self, name: str, output_dir: Path, *overlays: str, **options: object) -> ConfigWorkflow:
        workflow = self.workflow(name, output_dir, *overlays, **options)
        workflow.initialize()
        workflow.run()
        workflow.finalize()
        return workflow

    def command(self, name: str, output_dir: Path, *overlays: str, processes: int = 1, **options: object) -> list[str]:
        """Command line of the same run, under torchrun for more than one process."""
        launcher = [sys.executable, "-W", "ignore", "-m"]
        if processes > 1:
            launcher += ["torch.distributed.run", "--standalone", f"--nproc_per_node={processes}", "-m"]
        arguments = [
            part
            for key, value in {"bundle_root": str(self.root), **self.overrides(name, output_dir, **options)}.items()
            for part in (f"--{key}", str(value))
        ]
        return [*launcher, "monai.bundle", "run", "--config_file", str(self.files(name, *overlays)), *arguments]

    def start(self, command: list[str], cwd: Path) -> subprocess.Popen:
        environment = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}
        return subprocess.Popen(
            command, cwd=cwd, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    def run_in_two_processes(self, name: str, output_dir: Path, overlay: str, **options: object) -> None:
        """Run under torchrun with ``overlay``; a failure shows the log of the processes."""
        process = self.start(self.command(name, output_dir, overlay, processes=2, **options), output_dir.parent)
        log = process.communicate(timeout=300)[0]
        assert process.returncode == 0, log

    def compare_compiled(self, folder: Path, **options: object) -> None:
        """Train and infer with and without ``compile``, and check that weights and volumes are alike.

        The backend takes the graph as it was traced, which is quick; that the networks can be traced is what is ours.
        """
        bundles = [self.copy_to(folder / case / "models") for case in ("plain", "compiled")]
        for bundle, compiled in zip(bundles, (False, True), strict=True):
            for name, engine in (("train", "train::trainer"), ("inference", "evaluator")):
                backend = {f"{engine}::compile_kwargs": {"backend": "eager"}} if compiled else {}
                more = options if name == "inference" else {}
                # The plain weights for both: small differences grow along a sampler.
                workflow = (bundle if name == "train" else bundles[0]).run(
                    name, bundle.ckpt_dir.parent / name, compile=compiled, **backend, **more
                )
                network = workflow.parser.get_parsed_content(engine).network
                assert isinstance(network, torch._dynamo.OptimizedModule) == compiled
        plain, compiled_weights = (read_plain(bundle.ckpt_dir / "model.pt") for bundle in bundles)
        assert plain.keys() == compiled_weights.keys()
        for name, weight in plain.items():
            torch.testing.assert_close(compiled_weights[name], weight, atol=1e-5, rtol=1e-4)
        volumes = [sorted((bundle.ckpt_dir.parent / "inference").rglob("sub-*.nii.gz")) for bundle in bundles]
        assert len(volumes[0]) == len(volumes[1]) > 0
        for one, other in zip(*volumes, strict=True):
            np.testing.assert_allclose(nib.load(other).get_fdata(), nib.load(one).get_fdata(), atol=1e-4)

    def copy_to(self, folder: Path) -> BundleRunner:
        """Copy the bundle with its weights, to train them further."""
        shutil.copytree(self.ckpt_dir, folder)
        return type(self)(self.dataset_dir, folder)

    def train_twice(self, name: str, file: str, folder: Path, **options: object) -> list[dict[str, torch.Tensor]]:
        """Return the weights in ``file`` after a whole training, and after a training that was killed and resumed.

        The kill is SIGKILL, somewhere after the first checkpoint.
        """
        results = []
        for case in ("whole", "killed"):
            bundle, output = self.copy_to(folder / case / "models"), folder / case / "out"
            if case == "killed":
                process = bundle.start(bundle.command(name, output, resume=True, **options), folder)
                checkpoint, deadline = output / "checkpoint.pt", time.monotonic() + 240
                while not checkpoint.exists() and process.poll() is None and time.monotonic() < deadline:
                    time.sleep(0.05)
                process.send_signal(signal.SIGKILL)
                log = process.communicate()[0]
                assert checkpoint.exists(), log
            bundle.run(name, output, resume=True, **options)
            results.append(read_plain(bundle.ckpt_dir / file))
        return results


def without_split(dataset_dir: Path, folder: Path, split: str) -> Path:
    """A copy of a BIDS dataset without the people of a split."""
    shutil.copytree(dataset_dir, folder)
    table = folder / "participants.tsv"
    header, *rows = table.read_text(encoding="utf-8").splitlines()
    place = header.split("\t").index("split")
    for row in (one for one in rows if one.split("\t")[place] == split):
        shutil.rmtree(folder / row.split("\t")[0])
    kept = [row for row in rows if row.split("\t")[place] != split]
    table.write_text("\n".join([header, *kept]) + "\n", encoding="utf-8")
    return folder
