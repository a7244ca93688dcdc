"""Made-up downloads in the layouts of public data sets, of small heads (voxels of 4 mm)."""

from __future__ import annotations

from pathlib import Path

import pytest

from .heads import rigid, save_head

SMALL = {"spacing": 4.0, "shape": (48, 60, 60)}


def write_ixi(root: Path, *, people: int = 6) -> Path:
    """IXI: contrasts that were scanned a little apart, a table, one person without PD and one with a broken gzip."""
    lines = ['IXI_ID,"SEX_ID (1=m, 2=f)",HEIGHT,AGE']
    for number in range(people):
        person = f"IXI{number + 2:03d}-Guys-{828 + number:04d}"
        lines.append(f"{number + 2},{1 + number % 2},170,{35.5 + 4 * number}")
        moved = rigid((number - 2.0, 2.0, -1.0), (2.0, -number, 1.0))
        for short, contrast, matrix in (("T1", "T1w", None), ("T2", "T2w", moved), ("PD", "PDw", moved)):
            if number == 1 and short == "PD":
                continue
            path = root / f"IXI-{short}" / f"{person}-{short}.nii.gz"
            save_head(path, contrast, seed=10 * number + len(contrast), matrix=matrix, **SMALL)
    broken = root / "IXI-T2" / "IXI007-Guys-0833-T2.nii.gz"
    broken.write_bytes(broken.read_bytes()[:20_000])
    (root / "IXI.csv").write_text("\n".join(lines) + "\n")
    (root / "IXI-DTI").mkdir()
    save_head(root / "IXI-DTI" / "IXI002-Guys-0828-DTI-00.nii.gz", **SMALL)
    return root


@pytest.fixture(scope="session")
def ixi(tmp_path_factory):
    return write_ixi(tmp_path_factory.mktemp("ixi") / "IXI")
