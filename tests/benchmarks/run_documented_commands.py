"""Run every `monai.bundle run` of README and docs, at a small size, on phantoms in the place of a user's data.

    python tests/benchmarks/run_documented_commands.py [--only TEXT] [--document generate_brains.md]

Paths such as /data/bids are replaced by folders made for the purpose, and one epoch of a few samples stands for a
training; everything else is run as written. Commands with paper.json are left out: their networks do not fit. Exit code
1 says that a command failed; its last lines are printed. About half an hour on two cores.
"""

from __future__ import annotations

import argparse
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests" / "bundles"))
from test_documented_commands import DOCUMENTS, commands, problems  # noqa: E402

CONTRASTS = "T1w,T2w,FLAIR,ce-gadolinium_T1w"
SMALL = {
    "train": ["--max_epochs", "1", "--samples_per_epoch", "4", "--batch_size", "2", "--val_interval", "1"],
    "inference": ["--num_inference_steps", "2"],
}


def prepare(folder: Path) -> dict[str, str]:
    """Make a dataset, scans and a table; returns text of a command -> what stands for it."""
    phantom = [sys.executable, "-m", "brain_bundles", "phantom", "--num_workers", "1"]
    subprocess.run([*phantom, str(folder / "bids"), "--num_subjects", "10", "--suffixes", CONTRASTS], check=True)
    subprocess.run([*phantom, str(folder / "lacking"), "--num_subjects", "2", "--suffixes", "T1w"], check=True)
    scans = folder / "scans"
    scans.mkdir()
    images = sorted((folder / "bids").glob("sub-*/anat/*_T1w.nii.gz"))
    shutil.copy(next(path for path in images if "ce-" not in path.name), scans / "a_T1w.nii.gz")
    shutil.copy(scans / "a_T1w.nii.gz", folder / "scan.nii.gz")
    (folder / "conditions.tsv").write_text("participant_id\tage\tsex\nsub-1\t70\tF\nsub-2\tn/a\tM\n")
    return {
        "/data/bids": str(folder / "bids"),
        "scans/": str(scans),
        "scan.nii.gz": str(folder / "scan.nii.gz"),
        "--input folder": f"--input {scans}",
        "conditions.tsv": str(folder / "conditions.tsv"),
    }


def small(words: list[str], bundle: Path, work: Path, replacements: dict[str, str]) -> list[str]:
    """The command with the paths of this run and settings that end soon."""
    line = "\x1f".join(words).replace("--input\x1ffolder", "--input\x1fscans/")
    if "--targets\x1fmissing" in line:  # subjects that lack some
        replacements = {**replacements, "/data/bids": replacements["/data/bids"].replace("bids", "lacking")}
    for text, path in replacements.items():
        line = line.replace(text, path)
    line = re.sub(r"\x1f--bundle_root\x1f[^\x1f]+", "", re.sub(r"[\w/]+/(?=configs/)", "", line))  # run in the bundle
    line = re.sub(r"(/data/[\w]+|(?<=\x1f)(out|filled_in|dist)(?=\x1f|$))", lambda m: str(work / Path(m[0]).name), line)
    line = line.replace("shipped/", str(bundle / "models") + "/")
    trained = str(work / f"models_{bundle.name}")
    line = re.sub(r"models/(?=pix2pix|cyclegan|unet|palette)", lambda _: f"{trained}/", line)
    words = line.split("\x1f")
    training = any(re.search(r"configs/(train|baseline)", word) for word in words)
    given = {word.split("=")[0] for word in words if word.startswith("--")}
    more = list(SMALL["train" if training else "inference"])
    if not training and bundle.name == "brain_mri_generator" and "--conditions" not in words:
        more += ["--num_samples", "2"]
    pairs = [more[i : i + 2] for i in range(0, len(more), 2)]
    if "--ckpt_dir" not in given:
        pairs.append(["--ckpt_dir", str(work / f"models_{bundle.name}")])
    if "--output_dir" not in given:
        pairs.append(["--output_dir", str(work / ("resumed" if "--resume" in given else "output"))])
    if not given & {"--dataset_dir", "--input"} and (training or bundle.name != "brain_mri_generator"):
        pairs.append(["--dataset_dir", replacements["/data/bids"]])
    if not training and not given & {"--input", "--targets"} and bundle.name != "brain_mri_generator":
        pairs.append(["--split", "test"])
    if any("evaluate.json" in word for word in words):
        pairs += [["--metrics_dir", str(work / "metrics")]]
        if bundle.name == "brain_mri_generator":
            pairs += [["--reference_dir", replacements["/data/bids"]], ["--sampler_rows", "$None"]]  # 1000 steps
    if training and not any("autoencoder" in word or "baseline" in word for word in words):
        pairs.append(["--cache_dir", str(work / "cache")])
    own = {"--max_epochs", "--samples_per_epoch", "--batch_size", "--num_samples"}
    kept = [pair for pair in pairs if pair[0] not in given or pair[0] in own]
    return [*words, *(word for pair in kept for word in pair)]


def blocks(text: str) -> list[tuple[str, list[list[str]]]]:
    """The commands of each code block, and of each line outside of them, as words; with the bundle last spoken of."""
    found = []
    bundle = ""
    for part in re.split(r"(```bash\n.*?```)", text, flags=re.S):
        bundle = (re.findall(r"^cd bundles/(\w+)", part, flags=re.M) or [bundle])[-1]
        short = re.search(r'^run="(.*)"$', part, flags=re.M)
        lines = [
            [*shlex.split(short[1]), *words[1:]] if short and words[0] == "$run" else words for words in commands(part)
        ]
        found += [(bundle, lines)] if part.startswith("```") else [(bundle, [line]) for line in lines]
    return [block for block in found if block[1]]


def main() -> int:
    """Run what was asked for and print a line per command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="")
    parser.add_argument("--document", default="")
    options = parser.parse_args()
    failed = 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        replacements = prepare(folder)
        seen: set[str] = set()
        for document in DOCUMENTS:
            page = document.parts[-3] if document.name == "README.md" else document.stem
            for bundle, block in blocks(document.read_text()) if options.document in str(document) else []:
                work = Path(tempfile.mkdtemp(dir=folder))  # the stages of a block build on each other
                for words in block:
                    shown = " ".join(words)
                    key = f"{bundle or page} {shown}"
                    if key not in seen and "paper.json" not in shown and options.only in shown:
                        seen.add(key)
                        failed += run(words, shown, bundle or page, work, replacements)
                shutil.rmtree(work)
    return int(failed > 0)


def run(words: list[str], shown: str, name: str, work: Path, replacements: dict[str, str]) -> int:
    """Run one command in the named bundle, or the first that has all that it names; 1 if it fails."""
    candidates = sorted((ROOT / "bundles").iterdir())
    fitting = [path for path, lacking in zip(candidates, problems(words), strict=True) if not lacking]
    bundle = next((path for path in fitting if path.name == name), fitting[0])
    line = small(words, bundle, work, replacements)
    models = Path(line[line.index("--ckpt_dir") + 1])
    if not models.is_dir():
        shutil.copytree(bundle / "models", models)
    start = [sys.executable, "-W", "ignore", "-m"]
    if "torchrun" in line:
        start += ["torch.distributed.run", "--standalone", "--nproc_per_node=2", "-m"]
    line = line[line.index("run") + 1 :]
    environment = {**os.environ, "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1")}
    began = time.monotonic()
    command = [*start, "monai.bundle", "run", *line]
    done = subprocess.run(command, cwd=bundle, env=environment, capture_output=True, text=True, check=False)
    print(f"{'ok' if done.returncode == 0 else 'FAILED'} {time.monotonic() - began:5.0f} s  {shown}", flush=True)
    if done.returncode:
        print("   ran: " + " ".join(command[4:]))
        print("\n".join(f"   {text}" for text in done.stderr.strip().splitlines()[-6:]), flush=True)
    return int(done.returncode != 0)


if __name__ == "__main__":
    sys.exit(main())
