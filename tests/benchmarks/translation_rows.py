"""The trainings behind the comparisons of both translators: rows, stages and ablations."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import combinations, permutations
from pathlib import Path
from typing import Any

from timed_training import Training

CONTRASTS = ("T1w", "T2w", "FLAIR", "ce-gadolinium_T1w")


def slice_translator(contrasts: Sequence[str] = ()) -> list[Training]:
    """Rows and ablations of Make-A-Volume, for one pair; each has the budget of the three stages together."""
    palette = ("baseline_unet", "baseline_palette")
    slices, volumes = {"share": 1 / 3, "samples_per_epoch": 640}, {"share": 1 / 3, "samples_per_epoch": 20}
    before = ("autoencoder.pt", "slice_model.pt")
    of_images = {2: 640, 3: 40}  # samples of an epoch, by the dimensions of the network
    return [
        Training("autoencoder", ["train_autoencoder"], **slices),
        Training("slices", ["train", "train_slices"], **slices),
        Training("volumes", ["train"], **volumes),
        Training("volumes_all", ["train"], {"train_all": True}, models="volumes_all", takes=before, **volumes),
        # Without the 2D training before it; it has the time of both.
        Training(
            "volumes_alone",
            ["train"],
            {"train_all": True, "slice_weights": "$None"},
            models="volumes_alone",
            takes=before[:1],
            **{**volumes, "share": 2 / 3},
        ),
        # The same network as a plain regression, with the time of both of its stages.
        Training(
            "regression_slices",
            ["train", "train_slices"],
            {"regression": True},
            models="regression",
            takes=before[:1],
            **slices,
        ),
        Training("regression", ["train"], {"regression": True}, models="regression", **volumes),
        Training("pix2pix", ["baseline_pix2pix"], samples_per_epoch=of_images[2]),
        Training("cyclegan", ["baseline_cyclegan"], samples_per_epoch=of_images[2]),
        *(
            Training(f"{name}_{dims}d", files, {"spatial_dims": dims}, samples_per_epoch=samples)
            for name, files in {"unet": palette[:1], "palette": palette}.items()
            for dims, samples in of_images.items()
        ),
    ]


def adaptive_translator(contrasts: Sequence[str] = CONTRASTS) -> list[Training]:
    """Rows and ablations of ALDM: each with the budget of the stages together, or of all pairs together."""
    pairs, couples = list(permutations(contrasts, 2)), list(combinations(contrasts, 2))
    plain = {"adversarial_weight": 0, "perceptual_weight": 0}
    rest, joint = {"share": 0.3, "samples_per_epoch": 80}, {"share": 0.4, "samples_per_epoch": 20}
    terms = ("cycle_weight", "perceptual_weight", "adversarial_weight")
    trainings = [
        Training("autoencoder", ["train_autoencoder"], {"translation_weight": 0, "cycle_weight": 0}, **joint),
        Training("spade", ["train_spade"], **rest),
        Training("diffusion", ["train"], **rest),
        Training(
            "concatenated",
            ["train", "concatenated"],
            models="concatenated",
            takes=["autoencoder.pt"],
            **{**rest, "share": 0.6},
        ),
        Training("regression", ["train"], {"regression": True}, models="regression", takes=["autoencoder.pt"], **rest),
        # Autoencoder and MS-SPADE in one stage, and without each of its terms.
        Training("joint", ["train_autoencoder"], models="joint", **joint),
        *(Training(f"joint_{t}_0", ["train_autoencoder"], {t: 0}, models=f"joint_{t}_0", **joint) for t in terms),
        Training("unet", ["baseline_unet"], samples_per_epoch=40),
        *_pairs("pix2pix", pairs),
        *_pairs("pix2pix", pairs, name="unet_pairs", options=plain),
        *_pairs("cyclegan", couples),
    ]
    # The config's default has one contrast more than these data sets.
    return [replace(one, options={"contrasts": list(contrasts), **one.options}) for one in trainings]


def _pairs(kind: str, pairs: Sequence[tuple[str, str]], name: str = "", options: Any = None) -> Iterator[Training]:
    """The trainings of a baseline of one pair, for all pairs; the first one is timed for all."""
    names = [f"{name or kind}_{source}_{target}" for source, target in pairs]
    for own, (source, target) in zip(names, pairs, strict=True):
        chosen = {"source": source, "target": target, **(options or {})}
        place = {"models": name or "models", "samples_per_epoch": 10, "timed_as": names[0]}
        yield Training(own, [f"baseline_{kind}"], chosen, share=1 / len(pairs), **place)


TRAININGS = {
    "brain_mri_slice2volume_translator": slice_translator,
    "brain_mri_adaptive_translator": adaptive_translator,
}


def comparison(bundle: str, folder: Path, contrasts: Sequence[str] = CONTRASTS) -> dict[str, Any]:
    """Settings of ``evaluate.json`` for the weights of all trainings in a folder."""
    models = folder / "models"
    if bundle == "brain_mri_slice2volume_translator":
        names = ["pix2pix", "cyclegan", "unet_2d", "unet_3d", "palette_2d", "palette_3d"]
        rows: dict[str, Any] = {name: str(models / f"{name}.pt") for name in names}
    else:
        pairs = list(permutations(contrasts, 2))
        places = {"pix2pix": models / "pix2pix", "cyclegan": models / "cyclegan"}
        places["unet_pairs"] = folder / "unet_pairs" / "pix2pix"
        rows = {name: {f"{a} to {b}": f"{place}_{a}_{b}.pt" for a, b in pairs} for name, place in places.items()}
        rows["unet"] = str(models / "unet.pt")
    rows["regression"] = str(folder / "regression" / "model.pt")
    chosen: dict[str, Any] = {f"baseline_weights::{name}": value for name, value in rows.items()}
    if bundle == "brain_mri_adaptive_translator":
        chosen["contrasts"] = list(contrasts)
    return {"ckpt_dir": str(models), **chosen}
