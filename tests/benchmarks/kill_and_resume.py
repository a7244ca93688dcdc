"""Kill every command that writes at random moments (kill -9), start it again, and compare with an uninterrupted run.

    python tests/benchmarks/kill_and_resume.py [--moments 10] [--minutes 60] [--only TEXT] [--seed 0]

Prints a line per command for docs/explanation/reliability.md: how often the second start ended with the files of the
uninterrupted run, and whether a process outlived the one that was killed. Each round kills every command once, so that
a run that is cut short has the same number for all. The exit code is 1 if any file differs or any process lives on.
Linux only: it looks into /proc. A new command is a line of ``COMMANDS``.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests"))
from bundles.brain_mri_adaptive_translator.conftest import CONTRASTS, STAGES, Bundle  # noqa: E402
from prepare.heads import rigid, save_head  # noqa: E402

BRAIN_BUNDLES = [sys.executable, "-W", "ignore", "-m", "brain_bundles"]
RUN = [sys.executable, "-W", "ignore", "-m", "monai.bundle", "run"]
MARK = "KILL_AND_RESUME"
Command = Callable[[Path, Path], list[str]]  # (folder of the inputs, folder to write into) -> command line
OPTIONS = ["--suffixes", ",".join(CONTRASTS), "--spacing", "5", "--spatial_size", "[32,48,32]"]


def phantom(inputs: Path, out: Path) -> list[str]:
    return [*BRAIN_BUNDLES, "phantom", str(out), "--num_subjects", "4", "--num_workers", "2", *OPTIONS]


def prepare(inputs: Path, out: Path) -> list[str]:
    words = ["prepare", str(inputs / "heads"), str(out), "--spacing", "4", "--num_workers", "2"]
    return [*BRAIN_BUNDLES, *words]


def training(stage: str) -> Command:
    """One stage of the adaptive translator at the size of its tests; it begins with the weights of the stage before."""

    def command(inputs: Path, out: Path) -> list[str]:
        if not (out / "models").is_dir():
            before = inputs / f"before_{stage}"
            shutil.copytree(before, out / "models") if before.is_dir() else (out / "models").mkdir(parents=True)
        bundle = Bundle(inputs / "phantoms", out / "models")
        return bundle.command(stage, out / "run", resume=True, max_epochs=3, num_workers=2)

    return command


def generation(inputs: Path, out: Path) -> list[str]:
    bundle = ROOT / "bundles" / "brain_mri_generator"
    config = ["--config_file", str(bundle / "configs" / "inference.json"), "--bundle_root", str(bundle)]
    return [*RUN, *config, "--output_dir", str(out), "--num_samples", "2", "--num_inference_steps", "2"]


def translation(inputs: Path, out: Path) -> list[str]:
    bundle = Bundle(inputs / "phantoms", inputs / "before_inference")
    return bundle.command("inference", out, source="T1w", targets=["T2w", "FLAIR"])


def pack(inputs: Path, out: Path) -> list[str]:
    index = out / "model_info.json"
    where = ["--bundles_dir", str(ROOT / "bundles"), "--output_dir", str(out / "dist"), "--index", str(index)]
    return [*BRAIN_BUNDLES, "pack", "--bundles", "brain_mri_generator,brain_mri_adaptive_translator", *where]


# Name -> the command line that writes into ``out``; the same line continues what a killed one has left.
COMMANDS: dict[str, Command] = {
    "phantom": phantom,
    "prepare": prepare,
    **{stage: training(stage) for stage in STAGES},
    "inference of the generator": generation,
    "translation of a dataset": translation,
    "pack": pack,
}

WITHOUT_INPUTS = ("phantom", "inference of the generator", "pack")


def make_inputs(folder: Path) -> Path:
    """Make whole heads, a dataset, and the weights that each stage begins with."""
    inputs = folder / "inputs"
    for number in range(2):
        for contrast, matrix in (("T1w", None), ("T2w", rigid((number, 2.0, -1.0), (2.0, -number, 1.0)))):
            path = inputs / "heads" / f"sub-{number}" / "anat" / f"sub-{number}_{contrast}.nii.gz"
            save_head(path, contrast, seed=number, matrix=matrix, spacing=4.0, shape=(48, 60, 60))
    words = [*BRAIN_BUNDLES, "phantom", str(inputs / "phantoms"), "--num_subjects", "6", *OPTIONS]
    finish(words, folder)
    for number, stage in enumerate(STAGES):
        out = inputs / stage
        finish(COMMANDS[stage](inputs, out), folder)
        shutil.rmtree(out / "models" / "cache", ignore_errors=True)
        following = STAGES[number + 1] if number + 1 < len(STAGES) else "inference"
        shutil.copytree(out / "models", inputs / f"before_{following}")
    return inputs


def start(words: list[str], folder: Path, token: str) -> subprocess.Popen[bytes]:
    environment = {**os.environ, MARK: token, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    with open(folder / "log.txt", "wb") as log:
        return subprocess.Popen(words, cwd=folder, env=environment, stdout=log, stderr=subprocess.STDOUT)


def finish(words: list[str], folder: Path) -> float:
    """Run a command to its end and return its seconds.

    Raises:
        RuntimeError: if it fails, with the end of its log.
    """
    began = time.monotonic()
    if start(words, folder, "").wait():
        raise RuntimeError(f"{' '.join(words)}\n{(folder / 'log.txt').read_text()[-4000:]}")
    return time.monotonic() - began


def kill_at(seconds: float, words: list[str], folder: Path) -> tuple[bool, int]:
    """Start a command and kill it; True if it was still running, and the number of processes that outlive it."""
    token = uuid.uuid4().hex
    process = start(words, folder, token)
    try:
        process.wait(seconds)
        return False, 0
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        process.wait()
    deadline = time.monotonic() + 10
    while (left := marked(token)) and time.monotonic() < deadline:
        time.sleep(0.2)
    for number in left:
        os.kill(number, signal.SIGKILL)
    return True, len(left)


def marked(token: str) -> list[int]:
    """Processes that a start with this token has left."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if f"{MARK}={token}".encode() in (folder / "environ").read_bytes().split(b"\0"):
                found.append(int(folder.name))
        except OSError:
            continue  # it has ended, or is another user's
    return found


def differences(whole: Path, resumed: Path) -> list[str]:
    """Describe how two folders differ: names of files, bytes, and in weights and records what is not of this start."""
    names = [{str(p.relative_to(f)) for p in f.rglob("*") if p.is_file()} for f in (whole, resumed)]
    temporary = {name for name in names[1] if name.endswith(".tmp")}  # of a killed process; removed after an hour
    found = [f"only in one: {name}" for name in sorted(names[0] ^ (names[1] - temporary))]
    for name in sorted(names[0] & names[1]):
        one, other = whole / name, resumed / name
        if one.read_bytes() != other.read_bytes() and not same(content(one), content(other)):
            found.append(f"differs: {name}")
    return found


def content(path: Path) -> Any:
    if path.suffix == ".pt":
        return torch.load(path, weights_only=True)
    if path.name == "run.json":
        return {key: value for key, value in json.loads(path.read_text()).items() if key != "starts"}
    return path.read_bytes()


def same(one: Any, other: Any) -> bool:
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other or (one != one and other != other))


class Measurement:
    """One command: its uninterrupted run, and what became of the killed ones."""

    def __init__(self, title: str, inputs: Path, folder: Path) -> None:
        self.title, self.command, self.inputs, self.folder = title, COMMANDS[title], inputs, folder
        self.whole = folder / "whole"
        folder.mkdir()
        self.seconds = finish(self.command(inputs, self.whole), folder)
        self.killed: list[float] = []
        self.equal, self.alive = 0, 0

    def kill_once(self, draw: random.Random) -> None:
        """Kill one start at a random moment, finish the work and compare."""
        out, running = self.folder / "resumed", False
        while not running:
            moment = draw.uniform(0.1, 0.95) * self.seconds
            running, left = kill_at(moment, self.command(self.inputs, out), self.folder)
            if running:
                finish(self.command(self.inputs, out), self.folder)
                found = differences(self.whole, out)
                if found:
                    print(f"{self.title}, killed after {moment:.1f} s: {'; '.join(found[:5])}", flush=True)
                self.killed.append(moment)
                self.equal += not found
                self.alive += left
            else:
                self.seconds *= 0.9  # faster than before: the machine is less busy
            shutil.rmtree(out)

    def line(self) -> str:
        span = f"{min(self.killed):.0f} to {max(self.killed):.0f}"
        return f"| {self.title} | {span} of {self.seconds:.0f} | {self.equal} of {len(self.killed)} | {self.alive} |"


def main() -> int:
    """Measure what was asked for and print a line per command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--moments", type=int, default=10)
    parser.add_argument("--minutes", type=float, default=float("inf"), help="begin no further round after these")
    parser.add_argument("--only", default="")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    draw, began = random.Random(options.seed), time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        chosen = [title for title in COMMANDS if options.only in title]
        inputs = make_inputs(folder) if set(chosen) - set(WITHOUT_INPUTS) else folder
        measured = [Measurement(title, inputs, folder / f"{n}") for n, title in enumerate(chosen)]
        for _ in range(options.moments):
            if time.monotonic() - began > 60 * options.minutes:
                break
            for one in measured:
                one.kill_once(draw)
            print("\n| command | killed after, s | equal | processes that lived on |\n| --- | --- | --- | --- |")
            print("\n".join(one.line() for one in measured), flush=True)
    return int(any(one.alive or one.equal < len(one.killed) for one in measured))


if __name__ == "__main__":
    sys.exit(main())
