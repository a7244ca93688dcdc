"""Pictures of the head population for docs/images: three ages of one person, six people, whole heads, lesions.

python tests/benchmarks/head_pictures.py ANATOMIES OUTPUT_DIR
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import torch
from brain_bundles.phantom.heads import (
    HeadOptions,
    HeadSubject,
    Person,
    find_label_maps,
    head_population,
    render_subject,
)
from brain_bundles.phantom.scanner import acquisition_of

SIZE, SPACING = (160, 192, 160), 1.0
Panel = tuple[str, np.ndarray]


def make(path: Path, person: Person, seed: int, **options: object) -> HeadSubject:
    return render_subject(
        person,
        seed=seed,
        spatial_size=SIZE,
        spacing=SPACING,
        options=HeadOptions(path, **options),  # type: ignore[arg-type]
    )


def image(head: HeadSubject, contrast: str, *, whole_head: bool = False) -> np.ndarray:
    """The nominal image of a contrast."""
    nominal = acquisition_of("nominal")
    return nominal.image(head, nominal.draw(head, contrast), whole_head=whole_head).numpy()


def draw(panels: Sequence[Panel], path: Path, planes: str = "acs", through: Sequence[int] | None = None) -> None:
    """One column per panel with an axial, a coronal and a sagittal plane; ``through`` is a voxel of all planes."""
    figure, axes = plt.subplots(len(planes), len(panels), figsize=(2.3 * len(panels), 2.5 * len(planes)), squeeze=False)
    for column, (title, image) in enumerate(panels):
        x, y, z = through or (image.shape[0] // 2 + 8, image.shape[1] // 2, image.shape[2] // 2 + 8)
        cuts = {"a": image[:, :, z], "c": image[:, y], "s": image[x]}
        for row, plane in enumerate(planes):
            axes[row, column].imshow(np.rot90(cuts[plane]), cmap="gray", vmin=0, vmax=1)
            axes[row, column].axis("off")
        axes[0, column].set_title(title, fontsize=8)
    figure.tight_layout(pad=0.3)
    figure.savefig(path, dpi=80, bbox_inches="tight", pil_kwargs={"quality": 88})
    plt.close(figure)


def main(anatomies: str, output: str) -> None:
    torch.set_num_threads(1)
    maps, folder = find_label_maps(anatomies), Path(output)
    folder.mkdir(parents=True, exist_ok=True)

    def person(age: float, sex: str, ventricles: float, brain: float, inside: float, grey: float) -> Person:
        return Person(age, sex, ventricles, brain, inside, grey * brain)

    one = maps["training_seg_07"]
    lives = [
        person(25, "F", 9, 1265, 1400, 0.59),
        person(55, "F", 16, 1195, 1400, 0.55),
        person(85, "F", 45, 1100, 1400, 0.515),
    ]
    panels = [
        (f"{p.age:.0f} years, {contrast}\nventricles {p.ventricular_volume:.0f} mL", image(make(one, p, 3), contrast))
        for p in lives
        for contrast in ("T1w", "FLAIR")
    ]
    draw(panels, folder / "heads_ages.jpg")

    names = ("training_seg_01", "training_seg_09", "training_seg_16", "training_seg_19", "brain1", "brain5")
    rng = np.random.default_rng(4)
    panels = []
    for seed, name in enumerate(names):
        who = head_population().sample(1, rng)[0]
        panels.append(
            (
                f"{name}\n{who.age:.0f} years, {who.sex}",
                image(make(maps[name], who, seed, mirrored=bool(seed % 2)), "T1w"),
            )
        )
    draw(panels, folder / "heads_people.jpg")

    middle = person(60, "M", 25, 1180, 1420, 0.545)
    head = make(maps["training_seg_10"], middle, 5, whole_head=True)
    draw([(s, image(head, s, whole_head=True)) for s in ("T1w", "T2w", "FLAIR", "PDw")], folder / "heads_whole.jpg")

    columns: list[Panel] = []
    for title, options, age, names_of in (
        ("hyperintensities, 85 years", {}, 85.0, ("hyperintensity",)),
        ("multiple sclerosis", {"sclerosis_probability": 1.0}, 40.0, ("plaque", "active_plaque")),
        ("old stroke", {"stroke_probability": 1.0}, 60.0, ("stroke_core", "stroke_gliosis")),
        ("tumour", {"tumour_probability": 1.0}, 60.0, ("tumour_core", "enhancing_tumour")),
    ):
        who = Person(age, "F", 25.0, 1150.0, 1400.0, 630.0)
        subject = make(maps["training_seg_10"], who, 21, **options)
        lesion = sum(subject.fractions[name] for name in names_of).sum((0, 1))
        z = int(lesion.argmax())
        for suffix in ("T1w", "FLAIR", "ce-gadolinium_T1w" if title in ("tumour", "multiple sclerosis") else "T2w"):
            columns.append((f"{title}\n{suffix}", np.repeat(image(subject, suffix)[:, :, z : z + 1], 3, axis=2)))
    half = len(columns) // 2
    for number, part in enumerate((columns[:half], columns[half:]), start=1):
        draw(part, folder / f"heads_lesions_{number}.jpg", planes="a", through=(0, 0, 1))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
