"""Damaged, hostile and odd files: each is read right or refused by its name, in little time and memory."""

from __future__ import annotations

import gzip
import time
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from brain_bundles.data import Image, ImageError, check_images, is_complete_nifti, read_header, read_image, read_values
from brain_bundles.data.checks import check_image, image_problem
from brain_bundles.transforms import ReadImaged, image_preprocessing

SHAPE = (12, 14, 10)
AFFINE = np.diag([12.0, 12.0, 14.0, 1.0])
AFFINE[:3, 3] = -70, -80, -60
KINDS = (nib.nifti1.Nifti1Header, nib.nifti2.Nifti2Header)
PREPROCESSING = image_preprocessing("image", 12.0, (16, 16, 16), warn_cut=None)


def values(seed: int = 0, shape: tuple[int, ...] = SHAPE) -> np.ndarray:
    """A noisy block with a margin of zeros."""
    data = np.zeros(shape)
    data[2:-2, 2:-2, 2:-2] = np.random.default_rng(seed).uniform(300, 900, data[2:-2, 2:-2, 2:-2].shape)
    return data


def stored(header: nib.nifti1.Nifti1Header, data: np.ndarray) -> bytes:
    header.set_data_shape(data.shape)
    header["vox_offset"] = header.single_vox_offset
    header.set_sform(AFFINE, 1)
    header.set_qform(AFFINE, 1)
    return header.binaryblock + b"\0\0\0\0" + data.astype(header.get_data_dtype()).tobytes(order="F")


@contextmanager
def bounds(seconds: float, mib: float) -> Iterator[None]:
    """Fail if the body takes more time of the processor, or more memory at once."""
    tracemalloc.start()
    start = time.process_time()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < mib * 2**20
        assert time.process_time() - start < seconds
    finally:
        tracemalloc.stop()


def fuzzed(rng: np.random.Generator) -> bytes:
    """A file whose header has one to four fields, or bytes, of chance."""
    kind = KINDS[int(rng.integers(2))]
    header = kind(endianness="<>"[int(rng.integers(2))])
    header.set_data_dtype([np.uint8, np.int16, np.uint16, np.int32, np.float32, np.float64][int(rng.integers(6))])
    content = bytearray(stored(header, values(int(rng.integers(1000))) * 0.28))
    dtype = header.structarr.dtype
    for _ in range(int(rng.integers(1, 5))):
        name = str(rng.choice(dtype.names))
        field, offset = dtype.fields[name][:2]
        base, shape = field.subdtype or (field, ())
        place = offset + base.itemsize * int(rng.integers(int(np.prod(shape, dtype=int)) or 1))
        if base.kind == "f":
            pool = [0, -1, 1, np.nan, np.inf, -np.inf, 1e30, -1e30, 1e-30, 0.5, 352, 1e6, *rng.normal(0, 10, 4)]
        elif base.kind in "iu":
            info = np.iinfo(base)
            pool = [0, 1, 2, 3, 4, 5, 8, 16, 64, 512, info.max, info.min, int(rng.integers(info.min, info.max))]
        else:
            pool = [bytes(rng.integers(0, 256, base.itemsize, dtype=np.uint8))]
        chosen = np.array([pool[int(rng.integers(len(pool)))]]).astype(base)
        content[place : place + base.itemsize] = chosen.tobytes()
    return bytes(content)


def read_or_refusal(path: Path) -> Image | str:
    try:
        return read_image(path)
    except ImageError as error:
        return str(error)


def first_cause(error: BaseException) -> str:
    while error.__cause__ is not None:
        error = error.__cause__
    return str(error)


def check_against_nibabel(image: Image, content: bytes) -> None:
    """Values and affine of ``content`` are those of nibabel, which mends what is not used; a sform that cannot be
    inverted leaves the qform.
    """
    source = image.header.source
    kind = nib.nifti2.Nifti2Image if isinstance(source, KINDS[1]) else nib.nifti1.Nifti1Image
    known = kind.from_bytes(content)
    data = np.asarray(known.dataobj, dtype=np.float32).reshape(image.voxels.shape)
    np.testing.assert_allclose(image.voxels, data - np.float32(image.background), rtol=1e-6)
    known.header["pixdim"][0] = -1 if source["pixdim"][0] < 0 else 1
    affine = known.header.get_qform() if image.header.form == "qform" else known.affine
    unit = {1: 1000.0, 3: 0.001}.get(int(source["xyzt_units"]) & 7, 1.0)
    np.testing.assert_allclose(image.affine, np.diag([unit, unit, unit, 1]) @ affine, rtol=1e-6, atol=1e-6)


def check_network(image: Image, path: Path, whole: bool) -> None:
    """A network gets what was read; ``whole`` tries the other steps too, which may refuse the file by its name."""
    seen = ReadImaged("image")({"image": path})["image"]
    np.testing.assert_array_equal(seen.affine.numpy(), image.affine)
    np.testing.assert_array_equal(seen[0].numpy(), image.voxels)
    refusal = None
    try:
        if whole:
            PREPROCESSING({"image": path})
    except (ValueError, RuntimeError) as error:
        refusal = first_cause(error)
    assert refusal is None or str(path) in refusal


@pytest.mark.filterwarnings("ignore")
def test_fuzzed_headers_are_read_right_or_refused_by_name(tmp_path):
    """1,500 headers."""
    rng = np.random.default_rng(20)
    read = 0
    with bounds(seconds=240, mib=256):
        for number in range(1500):
            content = fuzzed(rng)
            path = tmp_path / f"{number}.nii.gz"
            path.write_bytes(gzip.compress(content, 1) if number % 2 else content)
            image = read_or_refusal(path)
            problem = image_problem(path)
            if isinstance(image, Image):
                read += 1
                assert problem is None
                check_against_nibabel(image, content)
                check_network(image, path, whole=number % 50 == 0)
            else:
                assert problem is not None
                assert str(path) in image
                assert str(path) in problem[1]
                with pytest.raises(ImageError, match=path.name):
                    ReadImaged("image")({"image": path})
            path.unlink()
    assert 300 < read < 1200  # both happen


def test_every_flipped_bit_of_a_gzip_stream_is_noticed(tmp_path):
    """300 of them, behind gzip's own header. A bit that pads the last byte of the stream changes nothing."""
    content = stored(nib.nifti1.Nifti1Header(), values(shape=(24, 28, 20)))
    path = tmp_path / "a.nii.gz"
    whole = gzip.compress(content, 6, mtime=0)
    path.write_bytes(whole)
    right = read_image(path).voxels
    rng = np.random.default_rng(21)
    noticed = 0
    for _ in range(300):
        bit = int(rng.integers(10 * 8, len(whole) * 8))
        damaged = bytearray(whole)
        damaged[bit // 8] ^= 1 << bit % 8
        path.write_bytes(bytes(damaged))
        image = read_or_refusal(path)
        if isinstance(image, Image):
            np.testing.assert_array_equal(image.voxels, right)
        else:
            noticed += 1
            assert str(path) in image
            assert not is_complete_nifti(path)
    assert noticed >= 298


def test_cut_files_are_refused_at_any_length(tmp_path):
    content = stored(nib.nifti1.Nifti1Header(), values())
    for name, whole in (("a.nii", content), ("a.nii.gz", gzip.compress(content, 6))):
        path = tmp_path / name
        for length in [0, 1, 2, 10, 347, 348, 352, *np.linspace(353, len(whole) - 1, 20).astype(int)]:
            path.write_bytes(whole[: min(int(length), len(whole) - 1)])
            with pytest.raises(ImageError, match=name):
                read_image(path)
            assert not is_complete_nifti(path)
    with pytest.raises(ImageError, match=r"a\.nii: missing image"):
        read_image(tmp_path / "b" / "a.nii")
    with pytest.raises(ImageError, match="missing image"):
        read_image(tmp_path)


def bomb(content: bytes) -> bytes:
    """A gzip file of 60 GB, in 2 MB: members of zeros after the content."""
    return gzip.compress(content) + gzip.compress(bytes(2**25), 9) * 2000


def test_a_gzip_bomb_is_refused_in_a_moment(tmp_path):
    good = tmp_path / "good.nii.gz"
    good.write_bytes(gzip.compress(stored(nib.nifti1.Nifti1Header(), values())))
    path = tmp_path / "bomb.nii.gz"
    path.write_bytes(bomb(stored(nib.nifti1.Nifti1Header(), values())))
    far = bytearray(stored(header := nib.nifti1.Nifti1Header(), values()))
    header["vox_offset"] = 2**25
    far[:348] = header.binaryblock
    deep = tmp_path / "deep.nii.gz"  # its voxels begin within the bomb
    deep.write_bytes(bomb(bytes(far)))
    with bounds(seconds=20, mib=64):
        assert "bytes follow the last voxel" in image_problem(path)[1]
        assert not is_complete_nifti(path)
        assert image_problem(deep)[0] in ("empty volume", "unreadable or truncated image")
    with pytest.raises(ValueError, match=r"2 images: 1 problem") as error:
        check_images([good, path])
    assert "good.nii.gz" not in str(error.value)


@pytest.mark.parametrize("lengths", [(20_000, 20_000, 20_000), (32_767, 2, 32_767), (640, 640, 640)])
def test_declared_sizes_are_checked_before_anything_is_allocated(tmp_path, lengths):
    """The last one is within the limit, but not in the file."""
    header = nib.nifti1.Nifti1Header()
    header.set_data_dtype(np.float64)
    content = bytearray(stored(header, values()))
    header["dim"][1:4] = lengths
    header["pixdim"][1:4] = 0.5
    header["srow_x"], header["srow_y"], header["srow_z"] = np.diag([0.5, 0.5, 0.5])[:, [0, 1, 2, 2]]
    content[:348] = header.binaryblock
    with bounds(seconds=10, mib=16):
        for name, whole in (("a.nii", bytes(content)), ("a.nii.gz", gzip.compress(bytes(content)))):
            (tmp_path / name).write_bytes(whole)
            kind, detail = image_problem(tmp_path / name)
            assert kind in ("too large", "unreadable or truncated image", "unusable affine")
            assert name in detail


def save(path: Path, data: np.ndarray, affine: np.ndarray = AFFINE) -> Path:
    nib.save(nib.nifti1.Nifti1Image(data, affine), path)
    return path


def test_a_constant_background_becomes_0(tmp_path):
    data = values()
    plain = read_image(save(tmp_path / "a.nii.gz", data.astype(np.float32)))
    assert plain.background == 0
    for name, level, slope in (("minus one", -1.0, 1 / 900), ("hounsfield", -1024.0, 1.0), ("corner", 37.0, 1.0)):
        image = read_image(save(tmp_path / f"{name}.nii.gz", (level + slope * data).astype(np.float32)))
        assert image.background == level
        np.testing.assert_allclose(image.voxels, slope * plain.voxels, atol=1e-3)
        assert check_image(tmp_path / f"{name}.nii.gz").problem is None
        kept = read_values(tmp_path / f"{name}.nii.gz").voxels  # a segmentation's values are what they are
        np.testing.assert_allclose(kept, level + slope * data, atol=1e-3)
        scaled = [PREPROCESSING({"image": tmp_path / f"{n}.nii.gz"})["image"].as_tensor() for n in ("a", name)]
        np.testing.assert_allclose(scaled[0].numpy(), scaled[1].numpy(), atol=1e-5)


def test_values_that_cannot_be_used_are_refused(tmp_path):
    data = values()
    noise = np.random.default_rng(3).normal(0, 0.02, data.shape)
    over = data.copy()
    over[5:7, 5:7, 5] = 33_000
    files = {
        "NaN or infinite voxels": np.where(data > 890, np.nan, data),
        "background is not 0": (data / 450 - 1 + noise),
        "empty volume": 900 - data,
        "integer overflow": (40 * over).astype(np.int64).astype(np.int16),
        "constant volume": (data > 0) * 7.0,
    }
    for kind, content in files.items():
        path = save(tmp_path / f"{kind}.nii.gz", content if content.dtype == np.int16 else content.astype(np.float32))
        with pytest.raises(ImageError, match=f"{kind}.nii.gz: {kind}: "):
            read_image(path)
    large = save(tmp_path / "large.nii.gz", data * 1e37)
    with pytest.raises(ImageError, match=r"NaN or infinite voxels: .* as float32"):
        read_image(large)


def test_full_ranges_that_nothing_ran_over_are_read(tmp_path):
    """A file that nibabel fitted to all of int16, and a background of its lowest value."""
    data = values()
    fitted = nib.nifti1.Nifti1Image(data - 300, AFFINE, dtype=np.int16)
    nib.save(fitted, tmp_path / "fitted.nii.gz")
    assert read_header(tmp_path / "fitted.nii.gz").inter != 0
    low = np.where(data > 0, data.clip(300, 900) * 30, -32_768).astype(np.int16)
    for path in (tmp_path / "fitted.nii.gz", save(tmp_path / "low.nii.gz", low)):
        assert check_image(path).problem is None
        assert float(np.corrcoef(read_image(path).voxels.ravel(), data.ravel())[0, 1]) > 0.97
