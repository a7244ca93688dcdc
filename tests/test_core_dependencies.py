"""The core dependencies are enough: every module imports, and a bundle runs, without the packages of the extras."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
IMPORT_NAMES = {
    "monai-generative": "generative",
    "pytorch-ignite": "ignite",
    "scikit-learn": "sklearn",
    "pyyaml": "yaml",
}


def optional_packages() -> set[str]:
    """Import names of the packages that only extras bring, but for those that MONAI or pytest need themselves."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    names = {
        re.split(r"[^A-Za-z0-9_-]", text)[0]
        for name in ("phantom", "report", "prepare", "dicom", "verify", "export")
        for text in extras[name]
    }
    return {IMPORT_NAMES.get(name, name.replace("-", "_")) for name in names}


def run_without(packages: set[str], code: str, cwd: Path) -> str:
    block = (
        "import sys\n"
        "class Block:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        if name.split('.')[0] in {sorted(packages)!r}:\n"
        "            raise ModuleNotFoundError(f'blocked {name}', name=name)\n"
        "sys.meta_path.insert(0, Block())\n"
    )
    result = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", block + code], cwd=cwd, capture_output=True, text=True, timeout=300
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout + result.stderr


def test_every_module_imports(tmp_path):
    assert {"nilearn", "matplotlib", "SimpleITK", "edt"} <= optional_packages()
    modules = sorted(
        ".".join(path.relative_to(ROOT / "common").with_suffix("").parts)
        for path in (ROOT / "common" / "brain_bundles").rglob("*.py")
        if path.name not in ("__init__.py", "__main__.py")
    )
    assert len(modules) > 150
    run_without(
        optional_packages(), f"import importlib\nfor name in {modules!r}: importlib.import_module(name)", tmp_path
    )


def test_what_is_fetched_is_verified_without_an_extra(tmp_path):
    code = f"from bundle_verify import verify\nprint(verify({str(ROOT / 'bundles' / 'brain_mri_segmenter')!r}))"
    assert "nothing found in" in run_without(optional_packages(), code, tmp_path)


def test_a_sampling_run_needs_no_extra(tmp_path):
    root = ROOT / "bundles" / "brain_mri_generator"
    code = (
        "from monai.bundle import run\n"
        f"run(config_file={str(root / 'configs' / 'inference.json')!r}, bundle_root={str(root)!r},"
        f" num_samples=1, num_inference_steps=2, output_dir={str(tmp_path / 'out')!r})"
    )
    assert "No preview.png: Pictures need matplotlib" in run_without(optional_packages(), code, tmp_path)
    assert len(list((tmp_path / "out").rglob("*_T1w.nii.gz"))) == 1
