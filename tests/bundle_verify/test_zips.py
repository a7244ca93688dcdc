"""Checks of zips: names, links, checksums, sizes."""

from __future__ import annotations

import stat
import zipfile
from pathlib import Path

import pytest
from bundle_verify import UnreadableBundleError, verify

NAME = "brain_mri_slice2volume_translator"


def found(path: Path) -> list[str]:
    return [str(finding) for finding in verify(path).findings]


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
