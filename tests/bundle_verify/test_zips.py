"""Checks of zips: names, links, checksums, sizes."""

from __future__ import annotations

import shutil
import stat
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import torch
from bundle_verify import UnreadableBundleError, verify

from .helpers import found

NAME = "brain_mri_slice2volume_translator"


def rewrite(path: Path, edit) -> Path:
    """Rewrite a zip with ``edit(info, content)`` for each entry, which returns the new content, or None to drop it."""
    target = path.with_name("changed.zip")
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(target, "w") as new:
        for info in old.infolist():
            content = edit(info, old.read(info))
            if content is not None:
                new.writestr(info, content)
    return target


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (f"{NAME}/../../evil.py", "leaves the folder it is unpacked into"),
        ("/etc/evil.conf", "is an absolute path"),
        ("C:/evil.conf", "is an absolute path"),
        (f"{NAME}\\..\\evil.py", "leaves the folder it is unpacked into"),
        (f"{NAME}/a\\b", "has a backslash"),
        (f"{NAME}//configs/inference.json", "is not a normalised path"),
        (f"{NAME}/./configs/inference.json", "is not a normalised path"),
        (f"{NAME}/license", "appears twice in the zip"),
        ("beside.txt", "must hold one top folder and nothing beside it"),
        (f"{NAME}/LICENSE", "appears twice in the zip"),
    ],
)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_that_would_be_unpacked_elsewhere(packed, name, message):
    with zipfile.ZipFile(packed, "a") as archive:
        archive.writestr(name, "evil")
    assert any(message in line for line in found(packed))


def test_a_link_in_a_zip(packed):
    info = zipfile.ZipInfo(f"{NAME}/models/link")
    info.create_system, info.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(packed, "a") as archive:
        archive.writestr(info, "/etc/passwd")
    assert any("models/link: is a link or a device" in line for line in found(packed))


def test_a_link_in_a_folder(bundle):
    (bundle / "docs" / "link.md").symlink_to("/etc/passwd")
    assert found(bundle) == ["docs/link.md: is a link or a device; a bundle holds only files"]


def test_a_changed_byte(packed):
    content = bytearray(packed.read_bytes())
    position = content.index(b"Apache License")
    content[position] ^= 1
    packed.write_bytes(content)
    lines = found(packed)
    assert any(line.startswith("LICENSE: not judged: cannot be read from the zip (Bad CRC-32") for line in lines)


def test_a_file_that_was_exchanged_with_its_checksum_in_the_zip(packed):
    changed = rewrite(packed, lambda info, content: b"another" if info.filename.endswith("LICENSE") else content)
    assert found(changed) == ["MANIFEST.sha256: LICENSE has changed"]
    gone = rewrite(packed, lambda info, content: None if info.filename.endswith("data_license.txt") else content)
    assert found(gone) == ["MANIFEST.sha256: docs/data_license.txt is missing"]


@pytest.mark.parametrize("part", [0, 100, 0.5, 0.999])
def test_a_download_that_was_cut_off(packed, part):
    content = packed.read_bytes()
    packed.write_bytes(content[: part if isinstance(part, int) else int(part * len(content))])
    with pytest.raises(UnreadableBundleError, match=r"is not a whole zip; .* it may have been cut off"):
        verify(packed)


def test_sizes_are_checked_before_anything_is_read(packed):
    """The list of files says 68 GiB; the zip has a few kilobytes."""
    path = packed.with_name("large.zip")
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(17):
            archive.writestr(f"{NAME}/{number}.txt", "a")
    content = bytearray(path.read_bytes())
    position = 0
    while (position := content.find(b"PK\1\2", position)) >= 0:
        content[position + 24 : position + 28] = (0xFFFFFFFE).to_bytes(4, "little")
        position += 4
    path.write_bytes(content)
    with pytest.raises(UnreadableBundleError, match="would unpack to more than 64 GiB"):
        verify(path)


def test_a_list_of_files_that_is_too_long_is_not_read(packed):
    content = bytearray(packed.read_bytes())
    end = content.rfind(b"PK\5\6")
    content[end + 12 : end + 16] = (17 << 20).to_bytes(4, "little")
    packed.write_bytes(content)
    with pytest.raises(UnreadableBundleError, match="lists too many files"):
        verify(packed)


MEASURE = """
import resource, sys
from bundle_verify import verify

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10

verify(sys.argv[1])
before = peak()
for finding in verify(sys.argv[2]).findings:
    print(finding)
print(peak() - before)
"""


def test_large_files_in_a_zip_are_read_in_pieces(configs_alone, tmp_path):
    """Text that compresses well, weights, and weights that are packed once more: memory does not grow with them."""
    small = shutil.make_archive(str(tmp_path / "small"), "zip", configs_alone.parent, configs_alone.name)
    size = 128 << 20
    (configs_alone / "models").mkdir()
    weights = configs_alone / "models" / "other.pt"
    torch.save({"a": torch.zeros(size // 4)}, weights)
    with (configs_alone / "docs" / "large.txt").open("wb") as file:
        for _ in range(size >> 20):
            file.write(b" " * (1 << 20))
    packed_twice = configs_alone / "models" / "packed.pt"
    deflate = zipfile.ZIP_DEFLATED
    with zipfile.ZipFile(weights) as old, zipfile.ZipFile(packed_twice, "w", deflate, compresslevel=1) as new:
        for name in old.namelist():
            new.writestr(name, old.read(name))
    large = shutil.make_archive(str(tmp_path / "large"), "zip", configs_alone.parent, configs_alone.name)
    weights.unlink()
    command = [sys.executable, "-c", MEASURE, small, large]
    *lines, grown = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    assert lines == ["models/packed.pt: is not a file of torch.save: other/data.pkl is compressed"]
    assert int(grown) < 48  # MiB
