"""Agreement of a translated volume with the true volume of that contrast, within the brain."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass

import torch

from brain_bundles.metrics.conventions import COLLECTION, apply_convention
from brain_bundles.metrics.ms_ssim_pairs import check_size
from brain_bundles.metrics.power_bands import band_power, radial_power
from brain_bundles.metrics.ssim import ms_ssim, ssim_maps
from brain_bundles.utils.plain_tensor import plain_tensor


@dataclass(frozen=True)
class TranslationScores:
    """Agreement of one prediction with its target, over the voxels of the brain. NaN where undefined.

    Attributes:
        mae: mean of |prediction - target|.
        psnr: peak signal-to-noise ratio, dB; infinite if the two are equal.
        ssim: mean of the SSIM map.
        masked_volume_ssim: SSIM of the whole volumes, both 0 outside of the scored voxels; air counts as agreement.
            BraSyn scores the tumour and its surroundings in this way.
        ms_ssim: MS-SSIM of the whole grid with 0 outside of the brain, so more air brings it nearer to 1; NaN if the
            grid is too small for five scales.
        nmse: sum of (prediction - target)^2 divided by the sum of target^2; NaN if the target is 0 everywhere.
        through_plane_error: mean of |difference between neighbouring slices of the prediction - the same difference of
            the target|, over neighbours that are both in the brain. It shows the jitter of slice-by-slice synthesis.
            NaN if there are no neighbours.
        power_coarse: power of the prediction in the first of the bands of fine detail, see
            :data:`~brain_bundles.metrics.power_bands.BANDS`, divided by that of the target: below 1 is blurred, above 1
            is noisy. NaN for a region, without a spacing, and for a band that the grid does not resolve.
        power_middle: the same in the second band.
        power_fine: the same in the third band.
    """

    mae: float
    psnr: float
    ssim: float
    masked_volume_ssim: float
    ms_ssim: float
    nmse: float
    through_plane_error: float
    power_coarse: float = math.nan
    power_middle: float = math.nan
    power_fine: float = math.nan

    def as_json(self) -> dict[str, float | None]:
        """Fields by name, with None for undefined or infinite values: JSON has neither."""
        return {name: value if math.isfinite(value) else None for name, value in asdict(self).items()}


def brain_mask(source: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Voxels where either contrast is > 0; any shape -> boolean of that shape.

    For brain-extracted volumes scaled by :class:`brain_bundles.transforms.ScaleForeground`, which leaves the voxels
    outside of the brain at exactly 0. One contrast is not enough: its darkest brain voxels may be 0, but they are
    seldom the darkest of the other.
    """
    return (plain_tensor(source) > 0) | (plain_tensor(target) > 0)


def score_translation(
    prediction: torch.Tensor,
    target: torch.Tensor,
    mask: torch.Tensor,
    *,
    region: torch.Tensor | None = None,
    slice_axis: int = 2,
    spacing: float | None = None,
    data_range: float = 1.0,
    ssim_kernel_size: int = 7,
    ms_ssim_kernel_size: int | None = 5,
    convention: str = COLLECTION,
) -> TranslationScores:
    """Compare a translated volume with the true one. Voxels outside of the mask change no score.

    Args:
        prediction: (D, H, W), in [0, 1].
        target: (D, H, W), in [0, 1].
        mask: boolean (D, H, W), the brain; see :func:`brain_mask`.
        region: boolean (D, H, W), the part of the brain that is scored, such as a tumour; None for the whole brain. The
            brain around it still counts for the SSIM of the voxels at its edge.
        slice_axis: axis that counts the slices, 0, 1 or 2; 2 is axial in RAS.
        spacing: edge of the isotropic voxels, mm, for the power; None leaves the power out (NaN).
        data_range: span of the intensities, for PSNR and both SSIM.
        ssim_kernel_size: odd side of the window, voxels.
        ms_ssim_kernel_size: the same for MS-SSIM; every side of the volumes needs 16 times as many voxels. None skips
            MS-SSIM (NaN).
        convention: what is done to both volumes before, an entry of ``CONVENTIONS``. By default nothing: intensities
            are those of the model's scale, and an error of brightness counts.

    Raises:
        ValueError: if shapes differ or are not (D, H, W), a volume is not finite, mask or region is empty or the mask
            not boolean, slice_axis, data_range or convention is impossible, or a window is even or larger than the
            volumes.
    """
    a, b, inside = plain_tensor(prediction), plain_tensor(target), plain_tensor(mask)
    a, inside = a.to(b.device), inside.to(b.device)
    _check(a, b, inside, slice_axis, data_range)
    if ms_ssim_kernel_size is not None and ms_ssim_kernel_size % 2 == 0:
        raise ValueError(f"ms_ssim_kernel_size must be odd, got {ms_ssim_kernel_size}.")
    a, b = apply_convention(convention, a, b)
    # The windows of SSIM reach over the mask's edge: there, too, only the brain counts.
    a, b = (torch.where(inside, volume.double(), 0.0) for volume in (a, b))
    scored = inside if region is None else inside & plain_tensor(region).to(b.device)
    if not scored.any():
        raise ValueError("region is empty: none of its voxels is in the brain.")
    error = a - b
    mse = float(error[scored].square().mean())
    power = float(b[scored].square().mean())
    detail = [math.nan] * 3 if spacing is None or region is not None else _power_ratios(a, b, inside, spacing)
    ssim, _ = ssim_maps(a, b, kernel_size=ssim_kernel_size, data_range=data_range)
    alone = ssim
    if region is not None:
        a, b = (torch.where(scored, volume, 0.0) for volume in (a, b))
        alone, _ = ssim_maps(a, b, kernel_size=ssim_kernel_size, data_range=data_range)
    return TranslationScores(
        mae=float(error[scored].abs().mean()),
        psnr=20 * math.log10(data_range) - 10 * math.log10(mse) if mse > 0 else math.inf,
        ssim=_mean_inside(ssim, scored, ssim_kernel_size),
        masked_volume_ssim=float(alone.mean(dtype=torch.float64)),
        ms_ssim=math.nan if ms_ssim_kernel_size is None else _ms_ssim_or_nan(a, b, ms_ssim_kernel_size, data_range),
        nmse=mse / power if power > 0 else math.nan,
        through_plane_error=_through_plane_error(error, scored, slice_axis),
        power_coarse=detail[0],
        power_middle=detail[1],
        power_fine=detail[2],
    )


def _check(a: torch.Tensor, b: torch.Tensor, inside: torch.Tensor, slice_axis: int, data_range: float) -> None:
    if b.ndim != 3 or not a.shape == b.shape == inside.shape:
        raise ValueError(
            f"prediction, target and mask have shapes {tuple(a.shape)}, {tuple(b.shape)} and {tuple(inside.shape)}, "
            "expected one shape (D, H, W)."
        )
    if inside.dtype != torch.bool:
        raise ValueError(f"mask is {inside.dtype}, expected torch.bool; compare it with a threshold, see brain_mask.")
    if not inside.any():
        raise ValueError("mask is empty: there is no brain to score; check the images and how they are scaled.")
    for name, volume in (("prediction", a), ("target", b)):
        if not torch.isfinite(volume).all():
            raise ValueError(f"{name} has NaN or infinite voxels; try precision fp32, and check weights and files.")
    if slice_axis not in (0, 1, 2):
        raise ValueError(f"slice_axis is {slice_axis}, expected 0, 1 or 2.")
    if not data_range > 0:
        raise ValueError(f"data_range is {data_range}, expected a positive span of intensities.")


def _mean_inside(ssim: torch.Tensor, inside: torch.Tensor, kernel_size: int) -> float:
    """Mean of the SSIM map over the windows whose centre is inside; NaN if there is none."""
    for axis, length in enumerate(ssim.shape):
        inside = inside.narrow(axis, kernel_size // 2, length)
    return float(ssim[inside].mean(dtype=torch.float64))


def _ms_ssim_or_nan(a: torch.Tensor, b: torch.Tensor, kernel_size: int, data_range: float) -> float:
    try:
        check_size(tuple(b.shape), kernel_size)
    except ValueError:
        return math.nan
    return ms_ssim(a, b, kernel_size=kernel_size, data_range=data_range)


def _power_ratios(a: torch.Tensor, b: torch.Tensor, inside: torch.Tensor, spacing: float) -> list[float]:
    """Power of a in each band divided by that of b; NaN where b has none."""
    mask = inside.cpu().numpy()
    made, true = (band_power(*radial_power(volume.cpu().numpy(), mask, spacing)) for volume in (a, b))
    return [float(one / other) if other > 0 else math.nan for one, other in zip(made, true, strict=True)]


def _through_plane_error(error: torch.Tensor, inside: torch.Tensor, axis: int) -> float:
    """Mean over pairs of neighbours that are both inside; NaN if there is none."""
    pairs = inside.narrow(axis, 1, inside.shape[axis] - 1) & inside.narrow(axis, 0, inside.shape[axis] - 1)
    # The difference of two differences is the difference of the error.
    return float(error.diff(dim=axis)[pairs].abs().mean())
