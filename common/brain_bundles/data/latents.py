"""Cache of latents: encoded once, then read for the rest of the training."""

from __future__ import annotations

import copy
import hashlib
import logging
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from monai.data import DataLoader, Dataset
from torch import nn
from tqdm import tqdm

from brain_bundles.data.encoding import encode
from brain_bundles.data.rendered import RenderedImage
from brain_bundles.utils.fingerprint import describe, file_fingerprint, module_fingerprint
from brain_bundles.utils.loading import read_plain
from brain_bundles.utils.precision import resolve_precision
from brain_bundles.utils.saving import save_atomically

logger = logging.getLogger(__name__)
DTYPES = {"fp32": torch.float32, "fp16": torch.float16}
FORMAT = 1  # part of the key: raise it when the content of the file changes its meaning


class CachedLatents(torch.utils.data.Dataset):
    """Items of a datalist with ``mean`` and ``sigma`` (C, d, h, w) of their normalised latent in place of the image.

    For several images per item the entries are ``<key>_mean`` and ``<key>_sigma``.

    The images are encoded when the object is made, into one file per key in ``cache_dir``. The key is a hash of the
    autoencoder, the settings of the preprocessing, and path, size and modification time of every image. So a changed
    image is encoded again, and a stale file is never read. The other entries of an item (age, sex ...) come from the
    datalist, not from the file. With several processes rank 0 encodes and the others wait for the file, so all must see
    ``cache_dir``.

    Args:
        datalist: dictionaries with a path (or an array) under every image key.
        transform: deterministic; makes an item's images (C, D, H, W), of one shape for all items.
        autoencoder: with ``encode_moments(x) -> (mean, sigma)``, on the device that encodes.
        cache_dir: folder of the files.
        image_key: entry of the image, or a list of entries.
        batch_size: images per forward pass.
        num_workers: processes that load images.
        precision: precision of the encoder: fp32, bf16, fp16 or auto.
        dtype: type in the file, fp32 or fp16; fp16 halves the file, with an error below 0.05 % of a latent.
        allow_missing_keys: items may lack some of several images, and then lack their entries; needs batch_size 1.

    Raises:
        ValueError: if the datalist is empty, an item lacks an image (with allow_missing_keys, all images), or images
            differ in shape after the transform.
        FileNotFoundError: if an image does not exist.
    """

    def __init__(
        self,
        datalist: Sequence[Mapping[str, Any]],
        transform: Callable | None,
        autoencoder: nn.Module,
        *,
        cache_dir: str | Path,
        image_key: str | Sequence[str] = "image",
        batch_size: int = 1,
        num_workers: int = 0,
        precision: str = "fp32",
        dtype: str = "fp32",
        allow_missing_keys: bool = False,
    ) -> None:
        keys = [image_key] if isinstance(image_key, str) else list(image_key)
        if not datalist:
            raise ValueError("CachedLatents: the datalist is empty; check dataset_dir and the split.")
        enough = any if allow_missing_keys else all
        if lacking := [i for i, item in enumerate(datalist) if not enough(key in item for key in keys)]:
            raise ValueError(
                f"CachedLatents: {len(lacking)} items lack {' or '.join(map(repr, keys))}, the first is item "
                f"{lacking[0]}."
            )
        if allow_missing_keys and batch_size != 1:
            raise ValueError(f"CachedLatents: allow_missing_keys needs batch_size 1, got {batch_size}.")
        if dtype not in DTYPES:
            raise ValueError(f"CachedLatents: dtype is {dtype!r}; allowed: {', '.join(DTYPES)}.")
        self.datalist, self.image_keys, self.dtype = datalist, keys, DTYPES[dtype]
        # Names of the entries; a single image needs no prefix.
        parts_of = ("mean", "sigma")
        self.names = list(parts_of) if len(keys) == 1 else [f"{key}_{part}" for key in keys for part in parts_of]
        device = next(autoencoder.parameters()).device
        parts = [
            f"{FORMAT}|{dtype}|{resolve_precision(precision, device)}|{image_key}",
            module_fingerprint(autoencoder),
            describe(transform),
            *(f"{key}|{_image_fingerprint(item[key])}" for item in datalist for key in keys if key in item),
        ]
        # Another cache may share the transform: it finds it as it was built, here after a restart and in between.
        transform = copy.deepcopy(transform)
        self.key = hashlib.blake2b("\n".join(parts).encode(), digest_size=16).hexdigest()
        self.path = Path(cache_dir) / f"latents_{self.key}.pt"
        if not self.path.exists():
            if not dist.is_initialized() or dist.get_rank() == 0:
                # A generator of its own, so that the training's random numbers are the same with and without a cache.
                loader = DataLoader(
                    Dataset(datalist, transform),
                    batch_size=batch_size,
                    num_workers=num_workers,
                    generator=torch.Generator(),
                )
                self._write(encode(autoencoder, loader, keys, precision))
            # Wait for the file, not at a barrier: its time-out is shorter than the encoding of a large set.
            while not self.path.exists():
                time.sleep(0.2)
        # Mapped, so that all processes of a training share one copy, which may be larger than the memory.
        self.latents: dict[str, torch.Tensor] = read_plain(self.path, mmap=True)

    def _write(self, moments: Iterator[list[torch.Tensor | None]]) -> None:
        logger.info("Encoding %d images into %s.", len(self.datalist), self.path)
        # Entries that are 0 everywhere, such as the sigma of quantised latents, are not stored in full. A missing image
        # has zeros that nobody reads.
        stored: dict[str, torch.Tensor] = {}
        shape: tuple[int, ...] = ()
        filled = 0
        bar = tqdm(total=len(self.datalist), desc="encoding", leave=False, disable=not sys.stderr.isatty())
        for parts in moments:
            there = [part for part in parts if part is not None]
            shape = shape or (len(self.datalist), *there[0].shape[1:])
            what = f"item {filled} ({', '.join(str(self.datalist[filled].get(key)) for key in self.image_keys)})"
            for name, part in zip(self.names, parts, strict=True):
                if part is None:
                    continue
                if part.shape[1:] != shape[1:]:
                    raise ValueError(
                        f"{what} has a latent of shape {tuple(part.shape[1:])}, the ones before {shape[1:]}; the "
                        "preprocessing must bring all images to one shape."
                    )
                if not bool(torch.isfinite(part.to(self.dtype)).all()):
                    raise ValueError(
                        f"the latent of {what} or a later one of its batch is not finite in {self.dtype}; check the "
                        "image, or encode in fp32."
                    )
                if bool(part.any()):
                    if name not in stored:
                        stored[name] = torch.zeros(shape, dtype=self.dtype)
                    stored[name][filled : filled + len(part)] = part
            filled += len(there[0])
            bar.update(len(there[0]))
        bar.close()
        zero = torch.zeros((), dtype=self.dtype).expand(shape)  # one number in the file
        save_atomically({name: stored.get(name, zero) for name in self.names}, self.path)

    def channel_std(self) -> torch.Tensor:
        """Standard deviation (C,) of the latents over items and positions, posterior included; one image per item.

        Raises:
            ValueError: if there are several images per item.
        """
        if len(self.image_keys) > 1:
            raise ValueError(f"CachedLatents holds {', '.join(self.image_keys)}; channel_std needs one image per item.")
        mean, sigma = (self.latents[name] for name in self.names)
        others = [axis for axis in range(mean.ndim) if axis != 1]
        spread = mean.var(others, correction=0).double() + sigma.square().mean(others).double()
        return spread.sqrt().float()

    def __len__(self) -> int:
        return len(self.datalist)

    def __getitem__(self, index: int) -> dict[str, Any]:
        whole = self.datalist[index]
        item = {name: value for name, value in whole.items() if name not in self.image_keys}
        # Two entries per image, in the order of the keys.
        there = [key in whole for key in self.image_keys for _ in range(2)]
        return {**item, **{name: self.latents[name][index] for name, ok in zip(self.names, there, strict=True) if ok}}


def _image_fingerprint(image: Any) -> str:
    if isinstance(image, RenderedImage):
        return image.fingerprint()
    return file_fingerprint(image) if isinstance(image, (str, Path)) else describe(image)
