#!/usr/bin/env bash
# Train the weights that ship, in slices of time: call it again and again with the same folder until it says that all is done.
#
#     tests/benchmarks/train_weights.sh FOLDER [SECONDS]
#
# Every stage stops on SIGTERM with a whole checkpoint and goes on from it, so SECONDS (540 by default) may be short. The settings are for one
# GPU and more steps than the defaults, which are for two CPU cores. Weights come out in FOLDER/<bundle>/models.
set -u
folder=$(realpath -m "$1")
deadline=$((SECONDS + ${2:-540}))
root=$(cd "$(dirname "$0")/../.." && pwd)
python=${PYTHON:-$root/.venv/bin/python}

stage() { # bundle, config, file that it writes, settings
    local bundle=$1 config=$2 file=$3
    shift 3
    mkdir -p "$folder/$bundle/models"
    [ -f "$folder/$bundle/models/$file.done" ] && return 0
    local left=$((deadline - SECONDS))
    [ "$left" -gt 20 ] || exit 1
    cd "$root/bundles/$bundle" || exit 2
    local files="configs/$config.json"
    [ "$config" = train_slices ] && files="['configs/train.json','configs/train_slices.json']" # an overlay
    timeout --signal TERM --kill-after 30 "$left" "$python" -m monai.bundle run --config_file "$files" \
        --ckpt_dir "$folder/$bundle/models" --output_dir "$folder/$bundle/$config" --resume True "$@" || exit 1
    touch "$folder/$bundle/models/$file.done"
}

generator=brain_mri_generator
translator=brain_mri_slice2volume_translator
adaptive=brain_mri_adaptive_translator
stage $generator train_autoencoder autoencoder --max_epochs 40 --samples_per_epoch 400 --batch_size 4 \
    --adversarial_warmup_epochs 36 --val_interval 10 --preview_interval 20
stage $generator train model --cache_dir "$folder/$generator/cache" --max_epochs 400 --batch_size 8 \
    --val_interval 50 --preview_interval 100
stage $translator train_autoencoder autoencoder --max_epochs 40 --adversarial_warmup_epochs 36 --batch_size 32 --samples_per_epoch 6400
stage $translator train_slices slice_model --cache_dir "$folder/$translator/cache" --max_epochs 100 --batch_size 128 --samples_per_epoch 12800
stage $translator train model --cache_dir "$folder/$translator/cache" --max_epochs 40 --batch_size 4 --samples_per_epoch 400
stage $translator baseline_pix2pix pix2pix --max_epochs 100 --batch_size 128 --samples_per_epoch 12800
stage $adaptive train_autoencoder autoencoder --translation_weight 0 --cycle_weight 0 --max_epochs 40 --adversarial_warmup_epochs 36
stage $adaptive train_spade ms_spade --cache_dir "$folder/$adaptive/cache" --max_epochs 200
stage $adaptive train model --cache_dir "$folder/$adaptive/cache" --max_epochs 40
echo "all stages are done: $folder"
