"""The brain generator, to call from Python."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Any

from monai.data import MetaTensor

from brain_bundles.bundle.bundle import Bundle, Progress
from brain_bundles.bundle.images import folder_or_temporary, read_result


@dataclass(frozen=True)
class GeneratedBrain:
    """A generated brain and what it was asked for.

    Attributes:
        image: (1, D, H, W) in [0, 1], with its affine.
        participant_id: its name in the table of the run.
        age: years.
        sex: "M" or "F".
        ventricular_volume, brain_volume: mL.
        seed: seed of its noise.
    """

    image: MetaTensor = field(repr=False)
    participant_id: str
    age: float
    sex: str
    ventricular_volume: float
    brain_volume: float
    seed: int


class Generator(Bundle):
    """A bundle that generates brains with given age, sex and volumes."""

    def generate(
        self,
        *,
        age: float | None = None,
        sex: str | None = None,
        ventricular_volume: float | None = None,
        brain_volume: float | None = None,
        num_samples: int | None = None,
        conditions: str | os.PathLike[str] | None = None,
        seed: int = 0,
        output_dir: str | os.PathLike[str] | None = None,
        progress: Progress | None = None,
        **options: Any,
    ) -> list[GeneratedBrain]:
        """Generate brains; what is not given is drawn from the population, given the rest.

        Args:
            age: years.
            sex: "M" or "F".
            ventricular_volume: mL, lateral ventricles with their inferior horns.
            brain_volume: mL, without ventricles.
            num_samples: number of brains; 1 by default.
            conditions: tab-separated table with a row per brain, in place of all of these.
            seed: brain i depends on (seed, i) and its condition alone.
            output_dir: folder that keeps the BIDS dataset of the run; by default it is removed again.
            progress: called with the number of finished batches and of all.
            **options: further keys of ``configs/inference.json``.

        Raises:
            ValueError: for an impossible condition or an option that is no key.
            DatasetError: for bad rows of the table.
            FileNotFoundError: without the weights or the table.
        """
        asked = {"age": age, "sex": sex, "ventricular_volume": ventricular_volume, "brain_volume": brain_volume}
        if conditions is None:
            asked["num_samples"] = 1 if num_samples is None else num_samples
        else:
            asked |= {"conditions": os.fspath(conditions), "num_samples": num_samples}
        with folder_or_temporary(output_dir) as folder:
            output = self.run(folder, progress=progress, seed=seed, **asked, **options)
            names = GeneratedBrain.__dataclass_fields__.keys() - {"image"}
            return [
                GeneratedBrain(read_result(output.path(row)), **{name: row[name] for name in names})
                for row in output.rows
            ]
