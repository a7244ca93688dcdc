"""The translators, to call from Python."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from monai.data import MetaTensor

from brain_bundles.bundle.bundle import Bundle, Progress
from brain_bundles.bundle.images import Image, as_file, folder_or_temporary, read_result
from brain_bundles.handlers.translation_saver import std_path


class Translator(Bundle):
    """A bundle that translates a scan to other contrasts."""

    def translate(
        self,
        image: Image,
        source: str | None = None,
        targets: str | Sequence[str] | None = None,
        *,
        seed: int = 0,
        output_dir: str | os.PathLike[str] | None = None,
        progress: Progress | None = None,
        **options: Any,
    ) -> dict[str, MetaTensor]:
        """Translate one scan.

        Args:
            image: NIfTI file, or a MetaTensor (1, D, H, W) or (D, H, W) with its affine, of any grid and orientation.
            source: its contrast, such as "T1w"; by default the bundle's.
            targets: contrast or contrasts to make; by default the bundle's.
            seed: seed of the noise, together with the name of the scan and the target.
            output_dir: folder that keeps the files of the run; by default it is removed again.
            progress: called with the number of finished batches and of all.
            **options: further keys of ``configs/inference.json``, such as ``extract_brain=True``.

        Returns:
            (1, D, H, W) in [0, 1] on the grid of the scan, by contrast. With ``num_draws`` above 1 the standard
            deviation of each is under ``<contrast>_std``.

        Raises:
            ValueError: for a contrast that the bundle does not know, or an option that is no key.
            DatasetError: if the scan cannot be used, with the reason.
            FileNotFoundError: without the weights.
        """
        options = {"seed": seed, "dataset_dir": None, **options}
        if source is not None:
            options["source"] = source
        if targets is not None:
            options |= self.target_option(targets)
        with as_file(image) as path, folder_or_temporary(output_dir) as folder:
            output = self.run(folder, progress=progress, input=str(path), **options)
            results = {}
            for row in output.rows:
                made = output.path(row)
                results[row["target"]] = read_result(made)
                if (deviation := std_path(made, bids=output.bids)).is_file():
                    results[f"{row['target']}_std"] = read_result(deviation)
        return results

    def target_option(self, targets: str | Sequence[str]) -> dict[str, Any]:
        """The option that names the targets: one model makes several, another one.

        Raises:
            ValueError: for several targets of a model that makes one.
        """
        names = [targets] if isinstance(targets, str) else list(targets)
        if "targets" in self.keys:
            return {"targets": names}
        if len(names) != 1:
            raise ValueError(f"targets is {names}; {self.name} makes one contrast, give one.")
        return {"target": names[0]}
