"""Trainings of configs within a given time: an epoch is timed, then as many are made as fit; a second call goes on."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
SECONDS = re.compile(r" 1/\d+, iteration \d+: .*\((\d+\.\d) s\)")  # of the first epoch, as the log says it
TINY_MINUTES = 1 / 60


@dataclass(frozen=True)
class Training:
    """One training of several that share a folder and a time.

    Attributes:
        name: its folder within theirs.
        files: names of its configs, without the ending; the later ones lie over the first.
        options: settings beside those of the configs.
        share: part of the time; the stages of a method share one. A stage of no share is no training: it runs once.
        models: folder of its weights; an ablation has one of its own.
        takes: weights of the folder ``models`` that an ablation starts with.
        samples_per_epoch: of short epochs, in which a time can be told and met; None for those of the config.
        timed_as: name of a training before this one whose epochs take the same time; its own are not timed then.
    """

    name: str
    files: Sequence[str]
    options: Mapping[str, Any] = field(default_factory=dict)
    share: float = 1.0
    models: str = "models"
    takes: Sequence[str] = ()
    samples_per_epoch: int | None = None
    timed_as: str | None = None


def num_epochs(seconds: float, minutes: float) -> int:
    """Epochs of ``seconds`` that come nearest to a budget; one at least."""
    return max(1, round(60 * minutes / seconds))


def command(files: Sequence[str], options: Mapping[str, Any]) -> list[str]:
    """Command line of some configs, to be run in the bundle's folder."""
    files = [f"configs/{name}.json" for name in files]
    given = [part for key, value in options.items() for part in (f"--{key}", str(value))]
    return [sys.executable, "-W", "ignore", "-m", "monai.bundle", "run", "--config_file", str(files), *given]


def lines(words: list[str], bundle: str) -> Generator[str, None, None]:
    """What a command says, line by line, also written to the terminal; it is stopped with this process.

    Raises:
        SystemExit: if the command fails.
    """
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    process = subprocess.Popen(words, cwd=ROOT / "bundles" / bundle, **options)
    signal.signal(signal.SIGTERM, lambda *_: (process.terminate(), process.wait(), sys.exit(143)))
    try:
        for line in process.stdout:
            print(line, end="", flush=True)
            yield line
        if process.wait():
            raise SystemExit(f"{' '.join(words)} ended with {process.returncode}")
    finally:
        process.terminate()
        process.wait()


def seconds_of_an_epoch(bundle: str, training: Training, options: Mapping[str, Any], models: Path) -> float:
    """Time the first epoch of a training that writes nothing and is stopped then."""
    with tempfile.TemporaryDirectory() as folder:
        copied = Path(folder) / "models"
        shutil.copytree(models, copied)
        probe = {**options, "ckpt_dir": copied, "output_dir": Path(folder) / "out", "max_epochs": 2}
        with closing(lines(command(training.files, probe), bundle)) as output:  # which stops it
            for line in output:
                if match := SECONDS.search(line):
                    return max(float(match[1]), 0.1)
    raise SystemExit(f"{training.name} did not say how long its first epoch took.")


def planned_epochs(folder: Path, bundle: str, training: Training, minutes: float, options: Mapping[str, Any]) -> int:
    """Epochs of a training, as they were planned at its first call.

    Args:
        folder: of all trainings.
        bundle: name of the bundle.
        training: the training.
        minutes: time of all trainings that share a budget.
        options: all settings of the training.
    """
    plan = folder / training.name / "plan.json"
    if not plan.is_file():
        known = folder / str(training.timed_as) / "plan.json"
        if known.is_file():
            seconds = float(json.loads(known.read_text())["seconds"])
        else:
            seconds = seconds_of_an_epoch(bundle, training, options, folder / training.models)
        epochs = num_epochs(seconds, training.share * minutes)
        plan.write_text(json.dumps({"seconds": seconds, "max_epochs": epochs}) + "\n")
    return int(json.loads(plan.read_text())["max_epochs"])


def train(folder: Path, bundle: str, training: Training, minutes: float, options: Mapping[str, Any]) -> None:
    """Make one training, or go on with it; nothing is done if it is done.

    Args:
        folder: of all trainings; this one writes into ``folder / training.name`` and ``folder / training.models``.
        bundle: name of the bundle.
        training: the training.
        minutes: time of all trainings that share a budget.
        options: settings of the configs.
    """
    own, models = folder / training.name, folder / training.models
    if (own / "done").is_file():
        return
    own.mkdir(parents=True, exist_ok=True)
    models.mkdir(parents=True, exist_ok=True)
    for name in training.takes:
        if not (models / name).is_file():
            shutil.copy(folder / "models" / name, models / name)
    short = {} if training.samples_per_epoch is None else {"samples_per_epoch": training.samples_per_epoch}
    chosen = {"ckpt_dir": models, "output_dir": own, **short, **options, **training.options}
    cached = training.files[0] in ("train", "train_spade")
    chosen |= {"cache_dir": folder / "cache"} if cached else {}
    with_latents = training.files[-1] in ("sample_latents", "refine_decoder")
    chosen |= {"latents_path": folder / "latents.pt"} if with_latents else {}
    if training.share:
        if "max_epochs" not in options:
            chosen["max_epochs"] = planned_epochs(folder, bundle, training, minutes, chosen)
        chosen["resume"] = True
    start = time.monotonic()
    try:
        for _ in lines(command(training.files, chosen), bundle):
            pass
    finally:  # stopped calls count, too
        with (own / "seconds.txt").open("a") as file:
            file.write(f"{time.monotonic() - start:.1f}\n")
    (own / "done").touch()


def split_words(words: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """The words of a script before ``--``, and the settings behind it by their keys."""
    words = list(words)
    own, rest = (words[: words.index("--")], words[words.index("--") + 1 :]) if "--" in words else (words, [])
    return own, dict(zip((key.removeprefix("--") for key in rest[::2]), rest[1::2], strict=True))


class DryRun:
    """The trainings at the size of the tests.

    Args:
        folder: of the dry run; the tests' phantoms are written into it.
        bundle: name of the bundle.
    """

    def __init__(self, folder: Path, bundle: str) -> None:
        from brain_bundles.phantom import write_phantoms

        # At the end and here alone: a folder of the tests has the name of a package.
        sys.path.append(str(Path(__file__).parents[1]))
        tests = import_module(f"bundles.{bundle}.conftest")
        self.contrasts = getattr(tests, "CONTRASTS", ["T1w", "T2w"])
        data = folder / "phantoms"
        if not data.is_dir():
            sizes = {"num_subjects": 8, "val_fraction": 0.2, "test_fraction": 0.3, **tests.TINY}
            write_phantoms(data, suffixes=self.contrasts, num_workers=1, **sizes)
        self.bundle = tests.Bundle(data, folder / "models")

    def options(self, training: Training) -> dict[str, Any]:
        """Settings of a training."""
        without_spade = "concatenated" in training.files
        name = training.files[0] if without_spade else training.files[-1]
        found = self.bundle.overrides(name, self.bundle.ckpt_dir)
        left_out = ("max_epochs", "ckpt_dir", "output_dir", "cache_dir", *(["ms_spade_def::"] if without_spade else []))
        return {key: value for key, value in found.items() if not key.startswith(left_out)}
