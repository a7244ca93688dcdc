"""The bundles that make a synthetic data set, and the steps that each does on a shard."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from brain_bundles.bundle import Bundle, Generator, Segmenter, Translator
from brain_bundles.runs import RunOutput

# What a run does, in place of the list in the config: no pictures, and a brain that a later model cannot use is no
# error but a flag in the table.
_MAKE = "$@evaluator.run() if @dataset.data else None"
_FINISH = "$@run_output.finish()"
_TABLES = {"_target_": "brain_bundles.runs.write_segmentation_tables", "output": "@run_output"}
FIXED = "fixed conditions"  # name in the settings of the generator
_FIXED = ("age", "sex", "ventricular_volume", "brain_volume", "intracranial_volume")
SEGMENTED = Path("derivatives", "segmented")  # where the segmentation lies in a shard


class Models:
    """A generator, and the models that add to its brains.

    Args:
        generator: makes the brains.
        contrasts: contrasts of each brain, with that of the generator; None for this one alone.
        translator: makes the other contrasts; None without any.
        segmenter: segments each brain; None for no segmentation.

    Attributes:
        suffix: contrast that the generator makes.
        targets: contrasts that the translator makes.
        spatial_size: (D, H, W) voxels of an image.
        settings: of each model, all that its images depend on, such as the hashes of its weights.

    Raises:
        ValueError: for contrasts without the generator's, without a translator or unknown to it; for a condition of the
            generator that is impossible, or a table of conditions.
        FileNotFoundError: without weights.
    """

    def __init__(
        self,
        generator: Generator,
        *,
        contrasts: Sequence[str] | None = None,
        translator: Translator | None = None,
        segmenter: Segmenter | None = None,
    ) -> None:
        self.generator, self.segmenter = generator, segmenter
        # The table of one brain: an impossible condition is found before a folder is made.
        keys = ("suffix", "spatial_size", "run_output::settings", "table")
        self.suffix, size, made, _ = generator.content(*keys, num_samples=1)
        self.spatial_size = tuple(int(n) for n in size)
        self.settings: dict[str, Any] = {}
        self._note(
            generator, {**made, FIXED: {key: generator.options[key] for key in _FIXED if key in generator.options}}
        )
        names = list(dict.fromkeys([self.suffix] if contrasts is None else contrasts))
        if self.suffix not in names:
            raise ValueError(
                f"contrasts are {', '.join(names)}; {self.suffix} must be one, which the generator makes and the "
                "others are made from."
            )
        self.targets = [name for name in names if name != self.suffix]
        self.translator = translator if self.targets else None
        if self.targets and translator is None:
            raise ValueError(f"contrasts are {', '.join(names)}, but there is no translator to make them.")
        if self.translator is not None:
            known, made = self.translator.content("contrasts", "run_output::settings")
            if unknown := [name for name in names if name not in known]:
                raise ValueError(
                    f"unknown contrast {', '.join(unknown)}; {self.translator.name} knows {', '.join(known)}."
                )
            self._note(self.translator, made)
        if segmenter is not None:
            self._note(segmenter, *segmenter.content("run_output::settings"))

    def _note(self, bundle: Bundle, settings: Mapping[str, Any]) -> None:
        """Keep the settings of a bundle, but for the seed, which is that of the set."""
        self.settings[bundle.name] = {key: value for key, value in settings.items() if key != "seed"}

    @property
    def bundles(self) -> list[Generator | Translator | Segmenter]:
        """The bundles that are used."""
        return [one for one in (self.generator, self.translator, self.segmenter) if one is not None]

    def generate(self, dataset: Path, *, first: int, number: int, seed: int) -> RunOutput:
        """Generate brains ``first`` to ``first + number - 1`` of the seed into a BIDS dataset."""
        options: dict[str, Any] = {"num_samples": number, "first_sample": first, "seed": seed}
        return self.generator.run(dataset, run=[_MAKE, _FINISH], **options)

    def translate(self, dataset: Path, output_dir: Path, *, seed: int) -> RunOutput | None:
        """Make the other contrasts of a dataset, as a derivative of it; None without any."""
        if self.translator is None:
            return None
        options = self.translator.target_option(self.targets)
        options |= {"dataset_dir": str(dataset), "source": self.suffix, "seed": seed}
        return self.translator.run(output_dir, run=[_MAKE, _FINISH], **options)

    def segment(self, dataset: Path) -> None:
        """Segment the generator's images of a dataset, in its folder of derivatives."""
        if self.segmenter is not None:
            options: dict[str, Any] = {"dataset_dir": str(dataset), "contrasts": [self.suffix]}
            output = self.segmenter.run(dataset / SEGMENTED, run=[_MAKE, _TABLES, _FINISH], **options)
            for table in ("volumes.tsv", "quality.tsv"):  # a validator reads no .bidsignore in derivatives/
                if (made := output.output_dir / table).is_file():
                    os.replace(made, output.log_dir / table)
