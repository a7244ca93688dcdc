"""Files of a bundle, read from a folder or directly from a zip, which is never unpacked."""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import tempfile
import unicodedata
import zipfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, cast

from bundle_verify.data_files import directory_is_too_large
from bundle_verify.report import Finding, not_judged

MAX_BYTES = 64 << 30  # of all files in a zip, unpacked
MAX_TEXT = 4 << 20  # of a file that is read into memory
IGNORED = ("data", "cache", "output", "eval")  # output of runs in a folder; only code in it is checked
CODE = (".py", ".pyc", ".so", ".pyd", ".dll", ".dylib", ".sh", ".bat", ".exe", ".ts", ".ipynb", ".pyw")
WEIGHTS = (".pt", ".pth", ".ckpt", ".bin", ".pkl", ".pickle", ".safetensors")


class UnreadableBundleError(Exception):
    """Bundle that does not exist or cannot be read."""


class BundleSource:
    """Files below a bundle's root, by their names with ``/``.

    Args:
        name: name of the bundle.
        names: names of its files.
        findings: problems with these names.
    """

    def __init__(self, name: str, names: list[str], findings: list[Finding]) -> None:
        self.name, self.names, self.findings = name, sorted(names), findings

    def open(self, name: str) -> BinaryIO:
        """Open a file for reading; it can seek."""
        raise NotImplementedError

    def size(self, name: str) -> int:
        """Size of a file in bytes; in a zip the declared one, which reading does not exceed."""
        raise NotImplementedError

    def path(self, name: str) -> AbstractContextManager[Path]:
        """Context with the path of a file on disk; for a zip, of a copy that ends with the context."""
        raise NotImplementedError

    def read(self, name: str, limit: int = MAX_TEXT) -> bytes:
        """Content of a file.

        Raises:
            ValueError: if the file is larger than ``limit`` bytes.
        """
        if self.size(name) > limit:
            raise ValueError(f"is larger than {limit >> 20} MiB")
        with self.open(name) as file:
            return file.read()

    def digest(self, name: str, kind: str = "sha256") -> str:
        """Hash of a file, in hexadecimal digits."""
        with self.open(name) as file:
            return hashlib.file_digest(cast(Any, file), kind).hexdigest()


class _Folder(BundleSource):
    def __init__(self, root: Path) -> None:
        self.root = root
        names, findings = [], []
        for folder, folders, files in os.walk(root):
            here = Path(folder).relative_to(root)
            left_by_runs = here.parts[:1] and (here.parts[0] in IGNORED or here.parts[0][0] == ".")
            for one in [*files, *(link for link in folders if (Path(folder) / link).is_symlink())]:
                name, path = (here / one).as_posix(), Path(folder) / one
                hidden = left_by_runs or one[0] == "."
                if path.is_symlink() or not path.is_file():
                    findings.append(Finding(name, "", "is a link or a device; a bundle holds only files"))
                elif one.lower().endswith(CODE if left_by_runs else (*CODE, *WEIGHTS)) or not hidden:
                    names.append(name)
        super().__init__(root.name, names, findings)

    def open(self, name: str) -> BinaryIO:
        return (self.root / name).open("rb")

    def size(self, name: str) -> int:
        return (self.root / name).stat().st_size

    def path(self, name: str) -> AbstractContextManager[Path]:
        return nullcontext(self.root / name)


class _Zip(BundleSource):
    def __init__(self, archive: zipfile.ZipFile, path: Path) -> None:
        self.archive = archive
        findings: list[Finding] = []
        entries: dict[str, zipfile.ZipInfo] = {}
        seen: set[str] = set()
        if sum(entry.file_size for entry in archive.infolist()) > MAX_BYTES:
            raise UnreadableBundleError(f"{path} would unpack to more than {MAX_BYTES >> 30} GiB.")
        for entry in archive.infolist():
            problem = _problem_with(entry)
            plain = unicodedata.normalize("NFC", entry.filename).casefold()
            if problem is None and plain in seen:
                problem = "appears twice in the zip"
            seen.add(plain)
            if problem is not None:
                findings.append(Finding(entry.filename, "", problem))
            elif not entry.is_dir():
                entries[entry.filename] = entry
        tops = sorted({name.split("/")[0] for name in entries})
        if len(tops) != 1 or any("/" not in name for name in entries):
            findings.append(Finding(path.name, "", f"must hold one top folder and nothing beside it, has {tops}"))
        top = next((one for one in tops if f"{one}/configs/metadata.json" in entries), tops[0] if tops else path.stem)
        self.entries = {name.removeprefix(f"{top}/"): e for name, e in entries.items() if name.startswith(f"{top}/")}
        super().__init__(top, [*self.entries], findings)
        self.hashes: dict[str, str] = {}
        for name, entry in list(self.entries.items()):
            try:
                with archive.open(entry) as file:
                    self.hashes[name] = hashlib.file_digest(
                        cast(Any, file), "sha256"
                    ).hexdigest()  # reads to the checksum
            except (zipfile.BadZipFile, EOFError, OSError, NotImplementedError, RuntimeError, ValueError) as error:
                damaged = not_judged(f"cannot be read from the zip ({error}); download it again")
                findings.append(Finding(name, "", *damaged))
                self.names.remove(name)

    def open(self, name: str) -> BinaryIO:
        # Seeking in the zip itself would unpack it again and again.
        copy = tempfile.SpooledTemporaryFile(max_size=MAX_TEXT)  # noqa: SIM115 - the caller closes it
        with self.archive.open(self.entries[name]) as file:
            shutil.copyfileobj(file, copy, 1 << 20)
        copy.seek(0)
        return cast(BinaryIO, copy)

    def size(self, name: str) -> int:
        return self.entries[name].file_size

    def digest(self, name: str, kind: str = "sha256") -> str:
        return self.hashes[name] if kind == "sha256" else super().digest(name, kind)

    @contextmanager
    def _copy(self, name: str) -> Iterator[Path]:
        with tempfile.TemporaryDirectory(prefix="bundle_verify_") as folder:
            path = Path(folder) / f"copy{Path(name).suffix}"
            with self.archive.open(self.entries[name]) as file, path.open("wb") as copy:
                shutil.copyfileobj(file, copy, 1 << 20)
            yield path

    def path(self, name: str) -> AbstractContextManager[Path]:
        return self._copy(name)


def _problem_with(entry: zipfile.ZipInfo) -> str | None:
    # The name as stored in the zip: on Windows, zipfile turns backslashes into slashes.
    name = entry.orig_filename
    parts = PurePosixPath(name.replace("\\", "/")).parts
    if name.startswith(("/", "\\")) or (len(name) > 1 and name[1] == ":"):
        return "is an absolute path"
    if ".." in parts:
        return "leaves the folder it is unpacked into (..)"
    if "\\" in name or not name.isprintable() or ":" in name:
        return "has a backslash, a colon or a control character in its name"
    if PurePosixPath(name).as_posix() != name.removesuffix("/") or any(part[-1] in ". " for part in parts):
        return "is not a normalised path"
    kind = stat.S_IFMT(entry.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "is a link or a device; a bundle holds only files"
    if entry.flag_bits & 1:
        return "is encrypted"
    return None


@contextmanager
def open_bundle(path: str | Path) -> Iterator[BundleSource]:
    """Open the bundle at ``path``, a folder or a zip.

    Raises:
        UnreadableBundleError: if there is no bundle, or the zip is damaged.
    """
    path = Path(path)
    if path.is_dir():
        if not (path / "configs").is_dir():
            raise UnreadableBundleError(f"{path} is not a bundle: it has no folder configs.")
        yield _Folder(path.resolve())
        return
    if not path.is_file():
        raise UnreadableBundleError(f"{path} does not exist.")
    size = path.stat().st_size
    damaged = f"{path} ({size} bytes) is not a whole zip; if it was downloaded, it may have been cut off"
    with path.open("rb") as file:
        if directory_is_too_large(file):
            raise UnreadableBundleError(f"{path} lists too many files.")
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError) as error:
        raise UnreadableBundleError(f"{damaged} ({error})") from error
    with archive:
        # A zip that was cut off may still end like a zip, because weights are zips themselves.
        if min((entry.header_offset for entry in archive.infolist()), default=1) != 0:
            raise UnreadableBundleError(damaged)
        yield _Zip(archive, path)
