"""The fixture of the real scans: a test is skipped for what a machine lacks, and only for that."""

from __future__ import annotations

import pytest


def test_a_missing_part_skips_with_the_reason_and_a_part_that_is_there_does_not(real_data_dir, tmp_path):
    folder = type(real_data_dir)(tmp_path)
    (tmp_path / "population").mkdir()
    for missing in ("t1_flair", "brats/BraTS2021_99002/BraTS2021_99002_t1.nii.gz"):
        with pytest.raises(pytest.skip.Exception, match=r"no real scans in .*(t1_flair|brats); set BRAIN_BUNDLES_REAL"):
            _ = folder / missing
    # A file that is not there is no reason to be silent: opening it fails.
    assert folder / "population" / "ixi_covariates.csv" == tmp_path / "population" / "ixi_covariates.csv"


def test_no_folder_at_all_skips(real_data_dir, tmp_path):
    with pytest.raises(pytest.skip.Exception, match=r"no real scans in .*nothing/population; set"):
        _ = type(real_data_dir)(tmp_path / "nothing") / "population"
