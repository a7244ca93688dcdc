"""Code and data in a bundle, under any name."""

from __future__ import annotations

import io
import pickle
import shutil
import zipfile

import numpy as np

from .helpers import Evil, found

NAME = "brain_mri_slice2volume_translator"


def test_code_that_nobody_has_checked(bundle):
    (bundle / "scripts").mkdir()
    (bundle / "scripts" / "net.py").write_text("import os\n")
    (bundle / "scripts" / "fast.so").write_bytes(b"\x7fELF")
    (bundle / "data").mkdir()  # a folder that runs make
    (bundle / "data" / "evil.py").write_text("import os\n")
    (bundle / NAME / "__pycache__").mkdir()
    (bundle / NAME / "__pycache__" / "volumetric_unet.cpython-311.pyc").write_bytes(b"evil")
    shutil.make_archive(str(bundle / "docs" / "figure"), "zip", bundle / "scripts")
    (bundle / "docs" / "figure.zip").rename(bundle / "docs" / "figure.png")
    (bundle / NAME / "volumetric_unet.py").write_text("import os\n")
    lines = found(bundle)
    assert "scripts/net.py: not judged: is code that has not been checked; read it before you run the bundle" in lines
    assert "scripts/fast.so: not judged: can hold code that cannot be checked here" in lines
    assert "data/evil.py: not judged: is code that has not been checked; read it before you run the bundle" in lines
    assert "docs/figure.png: is a zip, which can hold code" in lines
    assert any(
        line.endswith(".pyc: not judged: is compiled code, which may differ from its source; delete it")
        for line in lines
    )
    differs = f"{NAME}/volumetric_unet.py: not judged: differs from the file of that name"
    assert any(line.startswith(differs) for line in lines)


def test_what_can_run_is_found_under_any_name(bundle, tmp_path):
    evil = Evil(tmp_path / "ran")
    (bundle / "docs" / "a.dat").write_bytes(pickle.dumps(evil))
    (bundle / "docs" / "b.txt").write_bytes(pickle.dumps(evil, protocol=0))
    np.save(bundle / "docs" / "c.npy", np.array([evil], dtype=object), allow_pickle=True)
    np.save(bundle / "docs" / "plain.npy", np.zeros(3))
    (bundle / "docs" / "plain.txt").write_text("README\n")  # R is an opcode that calls, but here the stack is empty
    (bundle / "docs" / "plain.yml.txt").write_text("large_files:\n- path: a\n")
    (bundle / "docs" / ".hidden.pt").write_bytes(pickle.dumps(evil))
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("evil.py", "import os")
    (bundle / "docs" / "d.png").write_bytes(b"\x89PNG" + bytes(100) + archive.getvalue())
    with zipfile.ZipFile(bundle / "models" / "model.pt", "a") as file:
        file.writestr("evil.py", "import os")
    lines = found(bundle)
    assert lines == [
        *[line for line in lines if line.startswith("docs/.hidden.pt: is not a file of plain tensors")],
        "docs/a.dat: is a pickle, which can run code",
        "docs/b.txt: is a pickle, which can run code",
        "docs/c.npy: is an array of objects, which is a pickle",
        "docs/d.png: is a zip, which can hold code",
        "models/model.pt: is a zip that holds code: evil.py",
        *[line for line in lines if line.startswith("models/model.pt: is not a file of plain tensors")],
    ]
    assert len(lines) == 7
    assert not (tmp_path / "ran").exists()
