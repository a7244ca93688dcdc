"""The picture of a finished run."""

from __future__ import annotations

import numpy as np
from brain_bundles.data import write_nifti
from brain_bundles.runs import RunOutput, make_condition_table, write_preview

SIZE = (4, 5, 6)


def test_the_preview_shows_the_first_finished_samples(tmp_path, monkeypatch):
    shown = {}

    def save_montage(path, volumes, labels, spacing):
        shown.update(path=path, volumes=volumes, labels=labels, spacing=spacing)

    monkeypatch.setattr("brain_bundles.runs.run_picture.save_montage", save_montage)
    rows = make_condition_table(num_samples=5, seed=2)
    output = RunOutput(tmp_path / "out", rows, settings={}, spacing=2.0, spatial_size=SIZE)
    output.prepare()
    write_preview(output)
    assert not shown  # nothing is finished
    for row in rows:
        if row["participant_id"] != "sub-0002":
            write_nifti(output.path(row["participant_id"]), np.full(SIZE, 0.5), output.affine)
    write_preview(output, max_samples=3)
    assert shown["path"] == output.output_dir / "preview.png"
    assert shown["spacing"] == [2.0, 2.0, 2.0]
    assert shown["volumes"].shape == (3, *SIZE)
    assert [label.splitlines()[0] for label in shown["labels"]] == ["sub-0001", "sub-0003", "sub-0004"]
    row = output.rows[0]
    assert f"{row['age']:g} years, {row['sex']}" in shown["labels"][0]
    assert f"ventricles {row['ventricular_volume']:g} mL, brain {row['brain_volume']:g} mL" in shown["labels"][0]
