"""Saving samples from a MONAI evaluator."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest
import torch
from brain_bundles.data import grid_affine
from brain_bundles.handlers import SampleSaver
from brain_bundles.runs import RunOutput, make_condition_table
from brain_bundles.transforms import sample_postprocessing
from monai.data import DataLoader, Dataset
from monai.engines import IterationEvents, SupervisedEvaluator

SIZE = (4, 5, 6)


@pytest.fixture
def output(tmp_path) -> RunOutput:
    rows = make_condition_table(num_samples=5, seed=2)
    return RunOutput(tmp_path / "out", rows, settings={}, spacing=2.0, spatial_size=SIZE)


def run(output: RunOutput, batch_size: int = 2, **kwargs) -> list[int]:
    """One evaluator whose samples are ramps plus the age; returns the batch sizes it saw."""
    seen: list[int] = []

    def sample(engine, batch):
        seen.append(len(batch["age"]))
        ramp = torch.linspace(-0.2, 0.9, 120).reshape(1, 1, *SIZE)
        engine.state.output = {"pred": ramp + batch["age"].float().view(-1, 1, 1, 1, 1) / 200}
        engine.fire_event(IterationEvents.MODEL_COMPLETED)  # where MONAI decollates
        return engine.state.output

    evaluator = SupervisedEvaluator(
        device=torch.device("cpu"),
        val_data_loader=DataLoader(Dataset(output.pending(batch_size)), batch_size=batch_size),
        network=torch.nn.Identity(),
        iteration_update=sample,
        val_handlers=[SampleSaver(output)],
        **kwargs,
    )
    evaluator.run()
    return seen


def test_samples_are_written_with_the_grid_s_affine(output):
    assert run(output) == [2, 2, 1]
    for row in output.rows:
        image = nib.load(output.output_dir / row["participant_id"] / "anat" / f"{row['participant_id']}_T1w.nii.gz")
        np.testing.assert_array_equal(image.affine, grid_affine(2.0, SIZE))
        expected = (np.linspace(-0.2, 0.9, 120).reshape(SIZE) + row["age"] / 200).clip(0, 1)
        np.testing.assert_allclose(image.get_fdata(), expected, atol=2**-14)


def test_finished_images_are_not_written_again_and_damaged_ones_are(output):
    run(output)
    kept, damaged = output.path("sub-0001"), output.path("sub-0002")
    whole, stamp = damaged.read_bytes(), kept.stat().st_mtime_ns
    damaged.write_bytes(whole[:50])
    assert run(output) == [2]  # the batch of both, so that its numbers do not change
    assert kept.stat().st_mtime_ns == stamp
    assert damaged.read_bytes() == whole


def test_a_finished_run_has_nothing_left_to_do(output):
    run(output)
    files = {path: path.stat().st_mtime_ns for path in output.output_dir.rglob("*") if path.is_file()}
    assert output.pending(2) == []
    with pytest.warns(UserWarning, match="dataloader` is empty"):  # MONAI's own words
        assert run(output) == []
    assert {path: path.stat().st_mtime_ns for path in files} == files


def test_samples_that_are_none(output):
    saver = SampleSaver(output)
    with pytest.raises(ValueError, match=r"sub-1: shape \(4, 5, 6\), expected \(1, \*\(4, 5, 6\)\)"):
        saver.save("sub-1", torch.zeros(SIZE))
    with pytest.raises(ValueError, match="sub-1: the sample is not finite; try precision fp32"):
        saver.save("sub-1", torch.full((1, *SIZE), float("nan")))
    with pytest.raises(ValueError, match="leave the evaluator's decollate at true"):
        run(output, decollate=False)


def test_the_background_of_a_sample_is_exactly_0(tmp_path):
    size = (12, 14, 12)
    rows = make_condition_table(num_samples=1, seed=2)
    output = RunOutput(tmp_path / "out", rows, settings={}, spacing=2.0, spatial_size=size)
    volume = 0.03 * torch.rand(1, *size, generator=torch.Generator().manual_seed(0))
    volume[:, 3:9, 3:10, 3:9] += 0.5
    SampleSaver(output, postprocessing=sample_postprocessing(2.0, size)).save("sub-0001", volume)
    written = nib.load(output.path("sub-0001")).get_fdata()
    expected = np.zeros(size)
    expected[3:9, 3:10, 3:9] = volume[0, 3:9, 3:10, 3:9]
    np.testing.assert_allclose(written, expected, atol=2**-14)
    assert (written != 0).sum() == 6 * 7 * 6
