"""Vector quantisation whose codebook learns by gradients and keeps all its codes alive."""

from __future__ import annotations

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import nn

CHUNK = 1 << 24  # distances held at once: 64 MiB


class VectorQuantiser(nn.Module):
    """Replace every position of a feature by the nearest code of a codebook.

    The loss is ``|sg(z) - q|^2 + commitment_cost |z - sg(q)|^2``: its first term moves the codes towards the features,
    its second one the features towards the codes. Gradients of later layers pass straight through to the feature.

    In training each code's share of the positions is averaged over passes. A code with a share below
    ``revive_below / num_embeddings`` is replaced by a random feature of the batch. At the start all shares are 0, so
    the first pass draws the whole codebook from the data. With several processes shares are summed and rank 0's
    features are taken, so that codebooks stay equal.

    ``perplexity`` after a pass is exp(entropy) of its code shares, the mean over codebooks, as a tensor: 1 if only one
    code is used, num_embeddings if all are used equally.

    Args:
        num_embeddings: codes per codebook.
        embedding_dim: channels of the feature.
        num_codebooks: number of groups of channels, each with a codebook of its own (product quantisation). Channel c
            is in group c modulo num_codebooks. If channels are ordered by size, large channels therefore share a
            codebook with small ones, and codes are spread over the groups evenly.
        commitment_cost: weight of the second term.
        usage_decay: decay of the average over passes.
        revive_below: share of a code, relative to 1 / num_embeddings, below which it is dead; 0 keeps dead codes.

    Raises:
        ValueError: for sizes that are not positive, or channels that do not divide into the groups.

    Source: van den Oord et al. 2017, arXiv:1711.00937, equation 3; several codebooks: Jegou et al. 2011, "Product
    quantization for nearest neighbor search"; dead codes: Zeghidour et al. 2021, arXiv:2107.03312, section III C.
    """

    usage: torch.Tensor

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        *,
        num_codebooks: int = 1,
        commitment_cost: float = 0.25,
        usage_decay: float = 0.99,
        revive_below: float = 0.1,
    ) -> None:
        super().__init__()
        if min(num_embeddings, embedding_dim, num_codebooks) < 1:
            raise ValueError(
                "num_embeddings, embedding_dim and num_codebooks must be positive, got "
                f"{num_embeddings}, {embedding_dim} and {num_codebooks}."
            )
        if embedding_dim % num_codebooks:
            raise ValueError(f"{embedding_dim} channels cannot be split into num_codebooks = {num_codebooks}.")
        self.commitment_cost, self.usage_decay, self.revive_below = commitment_cost, usage_decay, revive_below
        size = embedding_dim // num_codebooks
        self.codebooks = nn.Parameter(torch.randn(num_codebooks, num_embeddings, size))
        self.register_buffer("usage", torch.zeros(num_codebooks, num_embeddings))
        self.perplexity = torch.ones(())

    @property
    def num_embeddings(self) -> int:
        """Codes per codebook."""
        return self.codebooks.shape[1]

    def forward(self, z: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Quantised feature, and scalar loss, of a feature (B, embedding_dim, ...)."""
        with torch.autocast(z.device.type, enabled=False):  # nearest codes need the full precision
            z = z.float()
            vectors = self._split(z)
            if self.training and self.revive_below > 0:
                self._revive(vectors.detach())
            indices = self._nearest(vectors.detach())
            if self.training:
                self._count(indices)
            chosen = self._join(self._take(indices), z)
            loss = F.mse_loss(chosen, z.detach()) + self.commitment_cost * F.mse_loss(z, chosen.detach())
            return z + (chosen - z).detach(), loss

    def quantise(self, z: torch.Tensor) -> torch.Tensor:
        """The quantised feature alone."""
        with torch.autocast(z.device.type, enabled=False):
            return self._join(self._take(self._nearest(self._split(z.float()))), z)

    def indices(self, z: torch.Tensor) -> torch.Tensor:
        """Indices (B, num_codebooks, ...) of the codes of a feature (B, embedding_dim, ...)."""
        with torch.autocast(z.device.type, enabled=False):
            found = self._nearest(self._split(z.float()))
        return found.view(len(found), len(z), *z.shape[2:]).transpose(0, 1)

    def _split(self, z: torch.Tensor) -> torch.Tensor:
        """(B, C, ...) to vectors (codebooks, positions of all samples, size)."""
        groups = z.flatten(2).unflatten(1, (-1, len(self.codebooks)))
        return groups.permute(2, 0, 3, 1).flatten(1, 2)

    def _join(self, vectors: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
        return vectors.unflatten(1, (len(like), -1)).permute(1, 3, 0, 2).flatten(1, 2).reshape(like.shape)

    def _take(self, indices: torch.Tensor) -> torch.Tensor:
        return torch.stack([F.embedding(index, book) for index, book in zip(indices, self.codebooks, strict=True)])

    @torch.no_grad()
    def _nearest(self, vectors: torch.Tensor) -> torch.Tensor:
        """Indices (codebooks, positions)."""
        # |v - c|^2 without |v|^2, which is the same for all codes.
        offset = self.codebooks.square().sum(-1)[:, None]
        step = max(1, CHUNK // (self.codebooks.shape[0] * self.num_embeddings))
        parts = [
            torch.baddbmm(offset, part, self.codebooks.transpose(1, 2), alpha=-2).argmin(-1)
            for part in vectors.split(step, dim=1)
        ]
        return torch.cat(parts, dim=1)

    @torch.no_grad()
    def _count(self, indices: torch.Tensor) -> None:
        counts = torch.stack([torch.bincount(index, minlength=self.num_embeddings) for index in indices]).float()
        if dist.is_available() and dist.is_initialized():
            dist.all_reduce(counts)
        shares = counts / counts.sum(1, keepdim=True)
        self.perplexity = torch.special.entr(shares).sum(1).exp().mean()
        self.usage.mul_(self.usage_decay).add_(shares, alpha=1 - self.usage_decay)

    @torch.no_grad()
    def _revive(self, vectors: torch.Tensor) -> None:
        equal = 1 / self.num_embeddings
        dead = self.usage < self.revive_below * equal
        # Drawn for every code, so that the random state does not depend on how many are dead.
        drawn = torch.randint(vectors.shape[1], self.usage.shape, device=vectors.device)
        fresh = self.codebooks.new_empty(self.codebooks.shape)
        for book, (vector, index) in enumerate(zip(vectors, drawn, strict=True)):
            fresh[book] = vector[index]
        if dist.is_available() and dist.is_initialized():
            dist.broadcast(fresh, 0)
        self.codebooks.copy_(torch.where(dead[..., None], fresh, self.codebooks))
        self.usage.copy_(torch.where(dead, equal, self.usage))
