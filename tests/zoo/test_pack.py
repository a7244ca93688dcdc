"""Releases: the content of a zip, the same bytes on every machine, and refused releases."""

from __future__ import annotations

import errno
import hashlib
import importlib
import json
import os
import shutil
import subprocess
import zipfile

import brain_bundles
import pytest
from brain_bundles import cli
from brain_bundles.zoo import check_version, pack
from bundle_verify.manifest import MANIFEST, read_manifest

NAME = "brain_mri_generator"
VERSION = brain_bundles.__version__


def pack_into(folder, bundles_dir, **options):
    return pack(folder / "dist", bundles_dir=bundles_dir, index=folder / "model_info.json", **options)


def test_a_zip_holds_what_runs_by_itself(small_bundles, tmp_path):
    (small_bundles / NAME / "output").mkdir()
    (small_bundles / NAME / "output" / "brain.nii.gz").touch()  # what a run left
    (small_bundles / NAME / NAME / "__pycache__").mkdir()
    (small_bundles / NAME / NAME / "__pycache__" / "networks.cpython-311.pyc").touch()
    path = pack_into(tmp_path, small_bundles, bundles=[NAME])[0]
    assert path == tmp_path / "dist" / f"{NAME}_v{VERSION}.zip"
    shutil.unpack_archive(path, tmp_path / "out")
    assert [one.name for one in (tmp_path / "out").iterdir()] == [NAME]
    root = tmp_path / "out" / NAME
    assert sorted(one.name for one in root.iterdir()) == [
        "LICENSE",
        MANIFEST,
        "brain_bundles",
        NAME,
        "bundle_verify",
        "configs",
        "docs",
        "models",
    ]
    found = {str(one.relative_to(root)): one for one in root.rglob("*") if one.is_file()}
    assert not [name for name in found if "__pycache__" in name]
    listed = read_manifest(found.pop(MANIFEST).read_text())
    assert listed == {name: hashlib.sha256(one.read_bytes()).hexdigest() for name, one in found.items()}
    assert found["brain_bundles/version.py"].read_text().strip().endswith(f'"{VERSION}"')


def test_each_zip_has_the_weights_of_the_segmenter(small_bundles, tmp_path):
    own = small_bundles / "brain_mri_segmenter" / "models" / "model.pt"
    own.parent.mkdir(parents=True)
    own.write_bytes(b"weights")
    own.with_name("second_encoder.pt").write_bytes(b"others")
    path = pack_into(tmp_path, small_bundles, bundles=[NAME])[0]
    with zipfile.ZipFile(path) as archive:
        assert archive.read(f"{NAME}/models/segmenter.pt") == b"weights"
        assert archive.read(f"{NAME}/models/second_encoder.pt") == b"others"


@pytest.mark.skipif(shutil.which("sha256sum") is None, reason="sha256sum is not installed")
def test_the_manifest_is_one_that_sha256sum_checks(small_bundles, tmp_path):
    shutil.unpack_archive(pack_into(tmp_path, small_bundles, bundles=[NAME])[0], tmp_path)
    check = ["sha256sum", "--check", "--strict", "--quiet", MANIFEST]
    assert subprocess.run(check, cwd=tmp_path / NAME, check=False).returncode == 0
    (tmp_path / NAME / "LICENSE").write_text("another")
    assert subprocess.run(check, cwd=tmp_path / NAME, check=False, capture_output=True).returncode == 1


def test_the_same_files_give_the_same_bytes(small_bundles, tmp_path):
    """Independent of the time, the permissions and the order of the files on the disk."""
    first = pack_into(tmp_path / "a", small_bundles)
    other = tmp_path / "copy"
    for path in sorted((one for one in small_bundles.rglob("*") if one.is_file()), reverse=True):
        target = other / path.relative_to(small_bundles)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
        target.chmod(0o600)
        os.utime(target, (1_000_000_000, 1_000_000_000))
    second = pack_into(tmp_path / "b", other)
    assert [one.read_bytes() for one in first] == [one.read_bytes() for one in second]
    assert (tmp_path / "a" / "model_info.json").read_text() == (tmp_path / "b" / "model_info.json").read_text()


def test_the_index_is_the_one_that_monai_reads(small_bundles, tmp_path):
    url = "https://example.org/download/0.1.0/"
    paths = pack_into(tmp_path, small_bundles, base_url=url)
    index = json.loads((tmp_path / "model_info.json").read_text())
    assert list(index) == [path.stem for path in paths]
    for path in paths:
        content = path.read_bytes()
        assert index[path.stem] == {
            "checksum": hashlib.sha1(content).hexdigest(),
            "source": url + path.name,
            "sha256": hashlib.sha256(content).hexdigest(),
            "size": len(content),
        }


def test_changed_files_need_a_new_version(small_bundles, tmp_path, monkeypatch):
    path = pack_into(tmp_path, small_bundles, bundles=[NAME])[0]
    before = path.read_bytes()
    assert pack_into(tmp_path, small_bundles, bundles=[NAME]) == [path]  # nothing has changed
    (small_bundles / NAME / "models" / "model.pt").write_bytes(b"trained longer")
    (small_bundles / NAME / "docs" / "more.md").write_text("a page more")
    message = f"version {VERSION} is in the index already, and docs/more.md is not listed; models/model.pt has changed"
    with pytest.raises(ValueError, match=message):
        pack_into(tmp_path, small_bundles, bundles=[NAME])
    assert path.read_bytes() == before
    assert [one.name for one in path.parent.iterdir()] == [path.name]  # nothing is left behind
    path.unlink()
    with pytest.raises(ValueError, match="and its files have changed"):
        pack_into(tmp_path, small_bundles, bundles=[NAME])

    monkeypatch.setattr(brain_bundles, "__version__", "0.2.0")
    metadata = small_bundles / NAME / "configs" / "metadata.json"
    content = json.loads(metadata.read_text())
    content["version"], content["changelog"]["0.2.0"] = "0.2.0", "trained longer"
    metadata.write_text(json.dumps(content))
    assert pack_into(tmp_path, small_bundles, bundles=[NAME])[0].name == f"{NAME}_v0.2.0.zip"
    assert set(json.loads((tmp_path / "model_info.json").read_text())) == {f"{NAME}_v{v}" for v in (VERSION, "0.2.0")}


@pytest.mark.parametrize(
    ("name", "version", "entries", "message"),
    [
        ("slice_to_volume", VERSION, {}, "MONAI cuts a name at '_v'"),
        (NAME, "1.0", {}, "version 1.0 in .* must be three numbers"),
        (NAME, "9.9.9", {}, f"version 9.9.9 in .* differs from that of the shared package, {VERSION}"),
        (NAME, VERSION, {f"{NAME}_v0.10.0": {}, f"{NAME}_v0.9.0": {}}, "sorts versions as text, and 0.9.0 comes after"),
    ],
)
def test_what_monai_would_not_find_is_refused(name, version, entries, message):
    metadata = {"version": version, "changelog": {version: "first release"}}
    with pytest.raises(ValueError, match=message):
        check_version(name, metadata, entries)


def test_a_version_without_a_changelog_is_refused():
    with pytest.raises(ValueError, match="has no line in the changelog"):
        check_version(NAME, {"version": VERSION, "changelog": {"0.0.1": "earlier"}}, {})


@pytest.mark.parametrize(("content", "message"), [("{", "is no JSON"), ("[]", "holds a list, expected an object")])
def test_damaged_metadata_and_a_damaged_index_are_named(small_bundles, tmp_path, content, message):
    index = tmp_path / "model_info.json"
    index.write_text(content)
    with pytest.raises(ValueError, match=rf"model_info\.json {message}"):
        pack_into(tmp_path, small_bundles)
    index.unlink()
    (small_bundles / NAME / "configs" / "metadata.json").write_text(content)
    with pytest.raises(ValueError, match=rf"{NAME}/configs/metadata\.json {message}"):
        pack_into(tmp_path, small_bundles)
    assert not (tmp_path / "dist").exists()


def test_a_bundle_without_weights_is_not_packed(small_bundles, tmp_path):
    (small_bundles / NAME / "models" / "model.pt").unlink()
    (small_bundles / NAME / "LICENSE").unlink()
    with pytest.raises(FileNotFoundError, match=r"is not a complete bundle; missing: LICENSE, models/model\.pt"):
        pack_into(tmp_path, small_bundles, bundles=[NAME])
    assert not (tmp_path / "dist").exists()
    with pytest.raises(FileNotFoundError, match="holds no bundle 'brain'; there are: brain_mri_generator, brain"):
        pack_into(tmp_path, small_bundles, bundles=["brain"])
    with pytest.raises(FileNotFoundError, match="holds no bundle"):
        pack_into(tmp_path, tmp_path / "nothing")


def test_all_bundles_are_those_with_a_trained_model(small_bundles, tmp_path, caplog):
    (small_bundles / NAME / "models" / "model.pt").unlink()
    (packed,) = pack_into(tmp_path, small_bundles)
    assert packed.name != f"{NAME}_v{VERSION}.zip"
    assert f"Left out: {NAME} has no models/model.pt yet" in caplog.text
    for path in small_bundles.glob("*/models/model.pt"):
        path.unlink()
    with pytest.raises(FileNotFoundError, match=r"no bundle of .* has models/model\.pt; train one first"):
        pack_into(tmp_path, small_bundles)


def test_a_folder_for_the_hub_is_the_bundle_with_a_card(small_bundles, tmp_path):
    folder = pack_into(tmp_path, small_bundles, bundles=[NAME], form="huggingface")[0]
    assert folder == tmp_path / "dist" / "huggingface" / NAME
    card = (folder / "README.md").read_text()
    front, body = card.removeprefix("---\n").split("---\n", 1)
    assert {"library_name: monai", "license: apache-2.0", "- monai", f"version: {VERSION}"} <= set(front.splitlines())
    assert body.strip() == (small_bundles / NAME / "docs" / "README.md").read_text().strip()
    listed = read_manifest((folder / MANIFEST).read_text())
    found = {str(one.relative_to(folder)): one for one in folder.rglob("*") if one.is_file() and one.name != MANIFEST}
    assert listed == {name: hashlib.sha256(one.read_bytes()).hexdigest() for name, one in found.items()}
    assert not (tmp_path / "model_info.json").exists()
    (small_bundles / NAME / "docs" / "data_license.txt").unlink()
    pack_into(tmp_path, small_bundles, bundles=[NAME], form="huggingface")  # anew, without what is gone
    assert not (folder / "docs" / "data_license.txt").exists()
    (folder / MANIFEST).unlink()
    with pytest.raises(ValueError, match="was not packed by this command"):
        pack_into(tmp_path, small_bundles, bundles=[NAME], form="huggingface")


def test_the_command_packs(small_bundles, tmp_path, caplog):
    arguments = ["--output_dir", str(tmp_path / "dist"), "--bundles_dir", str(small_bundles)]
    arguments += ["--index", str(tmp_path / "model_info.json"), "--bundles", NAME]
    assert cli.main(["pack", *arguments]) == 0
    with zipfile.ZipFile(tmp_path / "dist" / f"{NAME}_v{VERSION}.zip") as archive:
        assert archive.testzip() is None
    assert cli.main(["pack", *arguments, "--format", "tar"]) == 1
    assert "format is 'tar'; allowed: zip, huggingface" in caplog.text


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_is_named(small_bundles, tmp_path, caplog):
    (tmp_path / "dist").mkdir(mode=0o500)
    assert cli.main(["pack", "--output_dir", str(tmp_path / "dist"), "--bundles_dir", str(small_bundles)]) == 1
    assert "Permission denied" in caplog.text


def test_a_full_disk_leaves_what_was_there(small_bundles, tmp_path, monkeypatch, caplog):
    path = pack_into(tmp_path, small_bundles, bundles=[NAME])[0]
    before = {one: one.read_bytes() for one in (path, tmp_path / "model_info.json")}
    (small_bundles / NAME / "models" / "model.pt").write_bytes(b"trained longer")

    def full(*args):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(zipfile.ZipFile, "writestr", full)
    arguments = ["--output_dir", str(path.parent), "--bundles_dir", str(small_bundles), "--bundles", NAME]
    assert cli.main(["pack", *arguments, "--index", str(tmp_path / "model_info.json")]) == 1
    assert "No space left on device" in caplog.text
    assert {one: one.read_bytes() for one in before} == before
    assert [one.name for one in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("form", ["zip", "huggingface"])
def test_what_cannot_be_written_leaves_what_was_there(small_bundles, tmp_path, monkeypatch, form):
    """A disk that is full at the second folder, and an index that cannot be written."""
    pack_into(tmp_path, small_bundles, form=form)
    for name in (NAME, "brain_mri_slice2volume_translator"):
        (small_bundles / name / "docs" / "more.md").write_text("a page more")
    before = {one: one.read_bytes() for one in (tmp_path / "dist").rglob("*") if one.is_file()}
    if form == "zip":
        index = tmp_path / "file" / "model_info.json"
        index.parent.write_text("no folder")
        with pytest.raises(FileExistsError):
            pack(tmp_path / "dist", bundles_dir=small_bundles, index=index)
    else:
        module = importlib.import_module("brain_bundles.zoo.pack")
        write, left = module.atomic_write, [40]

        def full(*args):
            left[0] -= 1
            if not left[0]:
                raise OSError(errno.ENOSPC, "No space left on device")
            write(*args)

        monkeypatch.setattr(module, "atomic_write", full)
        with pytest.raises(OSError, match="No space left on device"):
            pack_into(tmp_path, small_bundles, form=form)
    assert {one: one.read_bytes() for one in (tmp_path / "dist").rglob("*") if one.is_file()} == before
