"""Settings of a population of phantoms."""

from __future__ import annotations

from dataclasses import dataclass

from brain_bundles.phantom.heads.subject import HeadOptions


@dataclass(frozen=True)
class PhantomSpec:
    """Settings that all subjects of one population share, as in :func:`write_phantoms`."""

    suffixes: tuple[str, ...]
    spacing: float
    spatial_size: tuple[int, int, int]
    seed: int
    tumour_probability: float
    vessels: bool
    head: HeadOptions | None = None  # how the head of one subject is made; None for the template
    freesurfer_labels: bool = False
    acquisition: str = "nominal"
    whole_head: bool = False  # of the template; of label maps ``head`` says it
