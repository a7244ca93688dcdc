#!/usr/bin/env bash
# Train the weights of a bundle on a GPU for a given time; a second call goes on where the first was stopped.
#
#     tests/benchmarks/train_on_gpu.sh MINUTES BUNDLE FOLDER [--tiny] [-- OPTIONS OF THE CONFIGS]
#
# The recipe is that of the configs, in their precision for the device; OPTIONS such as --batch_size 16 or --dataset_dir
# hold for every stage. MINUTES are for the steps of all stages together; data and latents are made before. Weights are
# in FOLDER/models, timings in FOLDER/timings.json. --tiny is a dry run on the CPU at the size of the tests.
set -eu
minutes=$1 bundle=$2 folder=$3
shift 3
here=$(cd "$(dirname "$0")" && pwd)
python=${PYTHON:-python}
exec "$python" "$here/train_weights.py" "$folder" "$bundle" --minutes "$minutes" "$@"
