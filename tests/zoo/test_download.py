"""A release as a new user meets it: downloaded by MONAI's own tools, and run where nothing of ours is installed."""

from __future__ import annotations

import functools
import http.server
import subprocess
import threading
from pathlib import Path

import brain_bundles
import nibabel as nib
import numpy as np
import pytest
import requests
from brain_bundles.zoo import pack
from monai.bundle import get_all_bundles_list, get_bundle_info

from .conftest import BUNDLES

GENERATOR, TRANSLATOR = "brain_mri_generator", "brain_mri_slice2volume_translator"
VERSION = brain_bundles.__version__


@pytest.fixture(scope="module")
def release(tmp_path_factory):
    """Address of a server on this machine that offers two packed bundles and the index."""
    folder = tmp_path_factory.mktemp("release")

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}"
    index = folder / "owner" / "repo" / "v1" / "models" / "model_info.json"
    pack(folder, bundles_dir=BUNDLES, bundles=[GENERATOR, TRANSLATOR], index=index, base_url=url)
    yield url
    server.shutdown()


@pytest.fixture(scope="module")
def downloaded(release, bare_python, bare_environment, tmp_path_factory) -> Path:
    """Folder with both bundles, filled by `monai.bundle download`."""
    folder = tmp_path_factory.mktemp("downloaded")
    commands = [
        ["download", "--name", name, "--bundle_dir", str(folder), "--url", f"{release}/{name}_v{VERSION}.zip"]
        for name in (GENERATOR, TRANSLATOR)
    ]
    code = f"""
import runpy, sys
for command in {commands!r}:  # one after the other in one process, whose start takes most of the time
    sys.argv = ["monai.bundle", *command, "--progress", "False"]
    runpy.run_module("monai.bundle", run_name="__main__", alter_sys=True)
"""
    command = [str(bare_python), "-c", code]
    result = subprocess.run(command, cwd=folder, env=bare_environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return folder


@pytest.fixture
def run(bare_python, bare_environment, tmp_path):
    """Function that runs Python of the bare environment in an empty folder and returns its output."""

    def call(*arguments: object, cwd: Path = tmp_path, well: bool = True) -> str:
        command = [str(bare_python), *map(str, arguments)]
        result = subprocess.run(command, cwd=cwd, env=bare_environment, capture_output=True, text=True, check=False)
        assert (result.returncode == 0) == well, result.stdout + result.stderr
        return result.stdout + result.stderr

    return call


def test_nothing_of_ours_is_installed_there(run):
    assert "No module named 'brain_bundles'" in run("-c", "import brain_bundles", well=False)


def test_every_module_of_a_bundle_can_be_imported(downloaded, run):
    code = """
import importlib, pkgutil, brain_bundles, bundle_verify
for package in (brain_bundles, bundle_verify):
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
print("imported", brain_bundles.__file__)
"""
    assert str(downloaded) in run("-c", code, cwd=downloaded / GENERATOR)


def test_it_runs_from_another_folder(downloaded, run, tmp_path):
    root = downloaded / GENERATOR
    run(
        *("-m", "monai.bundle", "run", "--config_file", root / "configs" / "inference.json", "--bundle_root", root),
        *("--output_dir", tmp_path / "out", "--num_samples", 1, "--num_inference_steps", 2),
    )
    (volume,) = (tmp_path / "out").rglob("*_T1w.nii.gz")
    image = nib.load(volume).get_fdata()
    assert image.shape == (80, 96, 80)
    assert 0.1 < np.mean(image > 0.1) < 0.5  # a brain, of the weights that came along


def test_the_first_command_runs_from_its_own_folder(downloaded, run, tmp_path):
    """With the output folder as the only option, it makes its phantoms and translates them."""
    command = ("-m", "monai.bundle", "run", "--config_file", "configs/inference.json")
    run(*command, "--output_dir", tmp_path / "out", cwd=downloaded / TRANSLATOR)
    assert len(list((tmp_path / "out").rglob("*_T2w.nii.gz"))) == 4


def test_two_bundles_share_a_process(downloaded, run, tmp_path):
    """MONAI's loader gives the network with its weights; the second bundle translates the brain of the first one;
    what comes from another release is refused.
    """
    brain = tmp_path / GENERATOR / "sub-0001" / "anat" / "sub-0001_T1w.nii.gz"
    newer = tmp_path / "newer" / TRANSLATOR
    newer.parent.mkdir()
    newer.symlink_to(downloaded / TRANSLATOR)
    code = f"""
import os, torch, monai.bundle
from monai.bundle import create_workflow

here = os.getcwd()
os.chdir({str(downloaded / GENERATOR)!r})  # where the loader looks for the bundle's code
network = monai.bundle.load({GENERATOR!r}, bundle_dir={str(downloaded)!r}, workflow_type="inference")
state = torch.load({str(downloaded / GENERATOR / "models" / "model.pt")!r}, weights_only=True)
assert network.state_dict().keys() == state.keys()
found = network.state_dict()
assert all(torch.equal(found[name], value) for name, value in state.items() if not name.startswith("recipe."))
from brain_bundles.utils import read_recipe
from brain_bundles.utils.recipe import recipe_of

assert recipe_of(network) == read_recipe([{str(downloaded / GENERATOR / "models" / "model.pt")!r}])

os.chdir(here)
for name, options in (({GENERATOR!r}, dict(num_samples=1)), ({TRANSLATOR!r}, dict(input={str(brain)!r}))):
    root = {str(downloaded)!r} + "/" + name
    config = root + "/configs/inference.json"
    workflow = create_workflow(
        config_file=config, workflow_type="infer", bundle_root=root, output_dir=name, **options
    )
    print(type(workflow.network_def).__name__)
    workflow.run()
    workflow.finalize()

import brain_bundles
brain_bundles.__version__ = "0.0.1"  # as if the first bundle were of an older release
root = {str(newer)!r}
create_workflow(config_file=root + "/configs/inference.json", workflow_type="infer", bundle_root=root, input=".")
"""
    output = run("-c", code, well=False)
    assert {"ConditionedDiffusionUNet", "VolumetricDiffusionUNet"} <= set(output.splitlines())
    translated = nib.load(tmp_path / TRANSLATOR / "sub-0001_T1w_T2w.nii.gz")
    assert translated.shape == nib.load(brain).shape
    message = f"this bundle belongs to release {VERSION}, but the loaded brain_bundles belongs to release 0.0.1"
    assert message in output


def test_monai_lists_what_the_index_has(release, monkeypatch):
    """MONAI asks GitHub for the index; here the server on this machine answers for the same path."""
    get = requests.get

    def elsewhere(url, **options):
        return get(url.replace("https://raw.githubusercontent.com", release), **options)

    monkeypatch.setattr(requests, "get", elsewhere)
    assert sorted(get_all_bundles_list("owner/repo", "v1")) == [(GENERATOR, VERSION), (TRANSLATOR, VERSION)]
    info = get_bundle_info(GENERATOR, VERSION, "owner/repo", "v1")
    assert info["browser_download_url"] == f"{release}/{GENERATOR}_v{VERSION}.zip"


def test_what_was_downloaded_is_what_was_packed(downloaded):
    for name in (GENERATOR, TRANSLATOR):
        for weights in ("autoencoder.pt", "model.pt"):
            path = Path(name) / "models" / weights
            assert (downloaded / path).read_bytes() == (BUNDLES / path).read_bytes()
