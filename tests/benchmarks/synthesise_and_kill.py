"""Make brains with several processes that are killed (kill -9) several times, and compare with an uninterrupted run.

    python tests/benchmarks/synthesise_and_kill.py [--brains 300] [--kills 5] [--processes 2] [--options "..."]

The whole run and the killed one make the same set under torchrun. Prints how many brains were in the folder at each
kill, whether the checksums of the two sets are equal, files that were left over, and the seconds per brain of the whole
run with what follows for 100,000. The exit code is 1 if anything differs. Linux only: it looks into /proc.
"""

from __future__ import annotations

import argparse
import random
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

from kill_and_resume import differences, finish, kill_at

MANY = 100_000


def command(folder: Path, options: argparse.Namespace) -> list[str]:
    launch = [sys.executable, "-W", "ignore", "-m", "torch.distributed.run", "--standalone"]
    words = [f"--nproc_per_node={options.processes}", "-m", "brain_bundles", "synthesise", str(folder)]
    words += ["--num_subjects", str(options.brains), "--shard_size", str(options.shard_size)]
    return [*launch, *words, *shlex.split(options.options)]


def main() -> int:
    """Run, kill, compare and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--brains", type=int, default=300)
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--shard_size", type=int, default=25)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--options", default="", help="further options of the command, such as '--segment'")
    options = parser.parse_args()
    draw = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        whole, killed = folder / "whole", folder / "killed"
        seconds = finish(command(whole, options), folder)
        each = seconds / options.brains
        print(f"{options.brains} brains by {options.processes} processes: {seconds:.0f} s, {each:.2f} s per brain")
        print(f"{MANY:,} brains at this rate: {each * MANY / 3600:.1f} h", flush=True)
        lived_on = 0
        for number in range(options.kills):
            # Starts get a part of the time each, so that the last kill comes before the end.
            moment = draw.uniform(0.2, 1.0) * seconds / options.kills
            running, left = kill_at(moment, command(killed, options), folder)
            lived_on += left
            images = len({path.name for path in killed.rglob("sub-*_T1w.nii.gz")})
            print(f"kill {number + 1} after {moment:.0f} s: running {running}, {images} T1w there", flush=True)
        finish(command(killed, options), folder)
        found = differences(whole, killed)
        found += [f"left over: {path.relative_to(killed)}" for path in killed.rglob(".*.tmp")]
        for one in (whole, killed):  # the checksums are those of the files
            for sums in sorted(one.rglob("SHA256SUMS")):
                check = ["sha256sum", "--quiet", "-c", sums.name]
                found += subprocess.run(check, cwd=sums.parent, capture_output=True, text=True).stdout.splitlines()
        print(f"{'; '.join(found[:5]) or 'equal'}; processes that lived on: {lived_on}")
    return int(bool(found) or lived_on > 0)


if __name__ == "__main__":
    sys.exit(main())
