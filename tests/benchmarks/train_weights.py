"""Train the weights of a bundle, all of its stages, in a given time; a second call goes on.

    python tests/benchmarks/train_weights.py FOLDER BUNDLE --minutes 30 [--tiny] [-- OPTIONS]

OPTIONS are settings of every training, such as ``--dataset_dir``. Each stage is first timed over one epoch on this
machine; the number of epochs that fits its share of the minutes is kept in FOLDER, so that a training that was stopped
goes on to the same end. Weights come out in FOLDER/models. The last line, also in FOLDER/timings.json, is what each
stage took. ``--tiny`` runs everything at the size of the tests, on their phantoms, for a second: a dry run.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from timed_training import TINY_MINUTES, DryRun, Training, split_words, train
from translation_rows import TRAININGS

GENERATOR = [
    Training("autoencoder", ["train_autoencoder"], share=0.3),
    Training("diffusion", ["train"], share=0.5),
    Training("latents", ["inference", "sample_latents"], share=0.0),
    Training("decoder", ["train_autoencoder", "refine_decoder"], share=0.05),
    Training("few_steps", ["train", "distil"], share=0.15),
]


def stages(bundle: str) -> list[Training]:
    """The trainings whose weights ship, in their order."""
    if bundle == "brain_mri_generator":
        return GENERATOR
    return [one for one in TRAININGS[bundle]() if one.models == "models" and "baseline" not in one.files[0]]


def timings(folder: Path, bundle: str) -> dict[str, Any]:
    """What each stage took: seconds of its first epoch, epochs, and seconds of all its calls together."""
    found = {}
    for stage in stages(bundle):
        own = folder / stage.name
        plan = json.loads((own / "plan.json").read_text()) if (own / "plan.json").is_file() else {}
        calls = [float(line) for line in (own / "seconds.txt").read_text().split()]
        found[stage.name] = {**plan, "seconds_in_all": sum(calls)}
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=lambda text: Path(text).resolve())
    parser.add_argument("bundle", choices=["brain_mri_generator", *sorted(TRAININGS)])
    parser.add_argument("--minutes", type=float, default=30.0, help="time of all stages together")
    parser.add_argument("--tiny", action="store_true", help="a dry run")
    words, given = split_words(sys.argv[1:])
    options = parser.parse_args(words)
    dry = DryRun(options.folder, options.bundle) if options.tiny else None
    for stage in stages(options.bundle):
        chosen = {**(dry.options(stage) if dry else {}), **given}
        train(options.folder, options.bundle, stage, TINY_MINUTES if dry else options.minutes, chosen)
    found = timings(options.folder, options.bundle)
    (options.folder / "timings.json").write_text(json.dumps(found, indent=1) + "\n")
    print(json.dumps(found))


if __name__ == "__main__":
    main()
