from __future__ import annotations

import torch


def test_the_tables_of_one_cell_are_readable(compare_one, truth):
    methods = {"truth": truth, "black": lambda source, *, targets, seeds: torch.zeros_like(source)}
    text = (compare_one(methods)[1] / "metrics.md").read_text()
    assert text.startswith("# Translation of T1w to T2w\n")
    assert "| method | MAE ↓ | PSNR (dB) ↑ | SSIM ↑ |" in text
    assert "| truth | 0.0000 ± 0.0000 | n/a | 1.0000 ± 0.0000 | n/a | 0.0000 ± 0.0000 |" in text
    assert text.count("| truth | 0.0000") == 1  # the overview is the only table of scores
    assert "over 3 subjects" in text
    assert "neighbouring axial slices" in text
    assert "nan" not in text.lower().replace("n/a", "")


def test_several_cells_have_means_a_matrix_and_a_table_each(compare_all, tmp_path):
    report = compare_all()
    text = (tmp_path / "metrics.md").read_text()
    assert text.startswith("# Translation between T1w, T2w, FLAIR\n")
    assert "PSNR (dB), source by target: shifted" in text
    mean = report["methods"]["shifted"]["brain"]["all"]["mae"]["mean"]
    assert f"| shifted | 6 | {mean:.4f} |" in text
    for cell in report["cells"]:
        assert f"## {cell}: brain\n" in text
