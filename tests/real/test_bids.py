"""The BIDS reader on a derivative that other tools wrote."""

from __future__ import annotations

import pytest
from brain_bundles.data import DatasetError, bids_datalist, is_complete_nifti

pytestmark = pytest.mark.real


def test_a_derivative_without_splits_is_read(real_data_dir):
    folder = real_data_dir / "t1_flair" / "derivatives" / "preproc"
    items = bids_datalist(folder, ["T1w", "FLAIR"])
    assert len(items) == 15
    assert items[0]["age"] == 82.3
    assert all(is_complete_nifti(str(item["T1w"])) for item in items)
    with pytest.raises(DatasetError, match="write_split"):
        bids_datalist(folder, ["T1w"], "val")
