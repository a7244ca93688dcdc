"""Train all rows of a translator's comparison one after another, each in the same time; a second call goes on.

    python tests/benchmarks/train_translation_rows.py FOLDER BUNDLE [--minutes 30] [--only TEXT] [--tiny] [-- OPTIONS]

BUNDLE is brain_mri_slice2volume_translator or brain_mri_adaptive_translator, OPTIONS are settings of every training,
such as ``--dataset_dir``. The trainings are those of ``translation_rows.py``. Each is first timed over one short epoch;
the number of epochs that fits its share of the minutes is written into its folder and kept, so that a training that
was stopped goes on to the same end, with a learning rate that falls over all of its epochs. Weights come out in
FOLDER/models, those of ablations in folders beside it. The last line is the command of the comparison. ``--tiny``
runs everything at the size of the tests, on their phantoms, for a second: a dry run.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path

from timed_training import TINY_MINUTES, DryRun, command, split_words, train
from translation_rows import CONTRASTS, TRAININGS, comparison


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=lambda text: Path(text).resolve())
    parser.add_argument("bundle", choices=sorted(TRAININGS))
    parser.add_argument("--minutes", type=float, default=30.0, help="time of each row; its stages share it")
    parser.add_argument("--only", default="", help="train the rows whose name has this text")
    parser.add_argument("--tiny", action="store_true", help="a dry run")
    words, given = split_words(sys.argv[1:])
    options = parser.parse_args(words)
    dry = DryRun(options.folder, options.bundle) if options.tiny else None
    contrasts = dry.contrasts if dry else CONTRASTS
    for training in TRAININGS[options.bundle](contrasts):
        if options.only in training.name:
            chosen = {**(dry.options(training) if dry else {}), **given}
            train(options.folder, options.bundle, training, TINY_MINUTES if dry else options.minutes, chosen)
    chosen = comparison(options.bundle, options.folder, contrasts)
    print("The comparison:", shlex.join(["python", *command(["inference", "evaluate"], chosen)[3:]]))


if __name__ == "__main__":
    main()
