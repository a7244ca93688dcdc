"""Components that overlays, requirements or folders give another meaning."""

from __future__ import annotations

import json

from .helpers import change, found


def test_requirements_do_not_open_other_packages(bundle):
    path = bundle / "configs" / "metadata.json"
    change(path, "required_packages_version", {"subprocess": "1.0", "pyyaml": "6.0"})
    evil = [{"_target_": "subprocess.run", "args": ["touch", "ran"]}, {"_target_": "yaml.unsafe_load", "stream": ""}]
    change(bundle / "configs" / "inference.json", "evil", evil)
    lines = found(bundle)
    assert any("subprocess.run is not in the allow-list" in line for line in lines)
    assert any("yaml.unsafe_load is not in the allow-list" in line for line in lines)


def test_the_name_of_a_folder_opens_no_package(bundle):
    renamed = bundle.rename(bundle.with_name("subprocess"))
    change(renamed / "configs" / "inference.json", "evil", {"_target_": "subprocess.getoutput", "cmd": "touch ran"})
    assert any("subprocess.getoutput is not in the allow-list" in line for line in found(renamed))


def test_overlays_that_change_what_a_file_says(bundle):
    """Every key of an overlay is checked as the key that it becomes after merging."""
    change(bundle / "configs" / "inference.json", "loader", {"_target_": "LoadImage"})
    overlay = {"+_target_": "os.system", "+loader::_mode_": "callable", "dataset#_target_": "os.system"}
    (bundle / "configs" / "more.json").write_text(json.dumps(overlay))
    lines = found(bundle)
    danger = "os.system is not in the allow-list; it runs code"
    assert f"configs/more.json, +_target_: {danger}" in lines
    assert f"configs/more.json, dataset#_target_: {danger}" in lines
    assert "configs/inference.json, loader::_target_: not judged: LoadImage without a call" in lines
