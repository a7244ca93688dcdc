"""Data files: pickles in every form are found, known kinds pass, unknown kinds are not judged."""

from __future__ import annotations

import gzip
import io
import pickle
import random
import tarfile
import zipfile

import nibabel
import numpy as np
import pytest
from bundle_verify import pickles
from bundle_verify.data_files import problem_with_data
from PIL import Image


class Evil:
    def __reduce__(self):
        return (print, ("ran",))


EVIL = pickle.dumps(Evil())
PICKLE = "is a pickle, which can run code"
OBJECTS = "is an array of objects, which is a pickle"
UNKNOWN = "is of a kind that no known component reads"


def problem(content: bytes, name: str = "docs/a.dat"):
    return problem_with_data(io.BytesIO(content), name)


def array(values: np.ndarray, version: tuple[int, int] = (1, 0)) -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array(file, values, version, allow_pickle=True)
    return file.getvalue()


def archive(kind: int = tarfile.PAX_FORMAT) -> bytes:
    """A file as PyTorch before 0.1.10 saved it."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=kind) as tar:
        for name in ("sys_info", "pickle", "storages", "tensors"):
            info = tarfile.TarInfo(name)
            info.size = len(EVIL)
            tar.addfile(info, io.BytesIO(EVIL))
    return file.getvalue()


def zipped(**contents: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as target:
        for name, content in contents.items():
            target.writestr(name.replace("_", "."), content)
    return file.getvalue()


OBJECT_ARRAY = array(np.array([Evil()], dtype=object))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        *((pickle.dumps(Evil(), protocol=number), PICKLE) for number in range(6)),
        (b"(0" + EVIL, PICKLE),
        (b"(0" + pickle.dumps(Evil(), protocol=0), PICKLE),
        (pickle.dumps([1, "harmless"]) + EVIL, PICKLE),
        (pickle.dumps(b"a" * 5_000_000)[:-1] + b"0" + EVIL, PICKLE),
        (b"cos\nsystem\n(Vtouch ran\ntR.", PICKLE),
        (b"(S'touch ran'\nios\nsystem\n.", PICKLE),
        (OBJECT_ARRAY, OBJECTS),
        (OBJECT_ARRAY.replace(b"'", b'"'), OBJECTS),
        (array(np.array([Evil()], dtype=object), (2, 0)), OBJECTS),
        (array(np.array([(1, Evil())], dtype=[("a", int), ("b", object)])), OBJECTS),
        (archive(), "is a tar, which can hold a pickle or code"),
        (archive(tarfile.USTAR_FORMAT), "is a tar, which can hold a pickle or code"),
        (archive(tarfile.GNU_FORMAT), "is a tar, which can hold a pickle or code"),
        (zipped(a_py=b"import os"), "is a zip, which can hold code"),
    ],
)
@pytest.mark.parametrize("name", ["docs/a.dat", "docs/a.npy", "docs/a.txt", "LICENSE"])
def test_a_pickle_is_found_under_any_name(content, message, name):
    found = problem(content, name)
    assert found.judged
    assert found.message == message


def test_a_pickle_behind_any_harmless_beginning_is_found():
    """Steps that leave the stack as it was: a mark, a value or a list that is popped again, a copy, a memo."""
    chance = random.Random(20261129)
    steps = [
        b"(0",
        b"N0",
        b"(1",
        b"(NN1",
        b"]0",
        b"(l0",
        b"}0",
        b"I1\n0",
        b"K\x070",
        b"N200",
        b"Np9\n0",
        b"(t0",
        b"((01",
    ]
    for _ in range(200):
        beginning = b"".join(chance.choice(steps) for _ in range(chance.randint(1, 6)))
        for protocol in (0, 2, 4):
            found = problem(beginning + pickle.dumps(Evil(), protocol=protocol))
            assert found is not None, beginning
            assert found.message == PICKLE, beginning


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (gzip.compress(EVIL, mtime=0), "docs/a.gz"),
        (gzip.compress(EVIL, mtime=0), "docs/a.nii.gz"),
        (b"\0" + EVIL, "docs/a.txt"),
        (b"\0" * 64, "docs/a.npy"),
        (b"\x89PNG\r\n\x1a\n", "docs/a.jpg"),
        (b"text", "docs/a.png"),
        (b"text", "docs/a.so.1"),
        (b"<script>", "docs/a.html"),
    ],
)
def test_a_file_of_an_unknown_kind_is_not_judged(content, name):
    found = problem(content, name)
    assert not found.judged
    assert UNKNOWN in found.message


def test_a_pickle_that_is_too_long_to_follow_is_not_judged(monkeypatch):
    monkeypatch.setattr(pickles, "_MAX_BYTES", 1000)
    found = problem(pickle.dumps(b"a" * 2000)[:-1] + b"0" + EVIL)
    assert not found.judged
    assert "begins like a pickle" in found.message


def image(ending: str) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (2, 2)).save(file, ending)
    return file.getvalue()


def known_files() -> dict[str, bytes]:
    nifti = nibabel.Nifti1Image(np.zeros((2, 2, 2), np.float32), np.eye(4)).to_bytes()
    arrays = io.BytesIO()
    np.savez(arrays, a=np.zeros(3))
    return {
        "a.nii": nifti,
        "a.nii.gz": gzip.compress(nifti),
        "a.png": image("png"),
        "a.jpg": image("jpeg"),
        "a.npy": array(np.zeros(3)),
        "a.npz": arrays.getvalue(),
        "a.txt": b"README\n",  # R is an opcode that calls, but here the stack is empty
        "a.md": b"The text begins like a pickle: T is a string with a length.\n",
        "a.csv": b"name,age\ns\xc3\xa9,1\n",
        "a.json": b"[1, 2]",
        "a.yml": b"large_files:\n- path: a\n",
        "LICENSE": b"(c) 2026\n0 2\n",
    }


@pytest.mark.parametrize("name", known_files())
def test_known_files_pass(name):
    assert problem(known_files()[name], f"docs/{name}") is None


def test_arrays_with_something_else_are_found():
    good = array(np.zeros(3))
    assert problem(zipped(a_npy=good), "a.npz") is None
    assert problem(zipped(a_npy=good, b_npy=OBJECT_ARRAY), "a.npz").message == OBJECTS
    assert problem(zipped(a_npy=good, b_py=b"import os"), "a.npz").message == "is a zip, which can hold code"
    assert problem(zipped(a_npy=good), "a.dat").message == "is a zip, which can hold code"
