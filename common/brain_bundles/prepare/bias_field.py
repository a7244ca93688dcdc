"""Correction of the bias field by N4 (Tustison et al. 2010, IEEE TMI 29:1310), as SimpleITK has it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from brain_bundles.prepare.extra import from_prepare_extra
from brain_bundles.prepare.volume import Volume, from_sitk, to_sitk

sitk = from_prepare_extra("SimpleITK")
_SHRUNKEN_MM = 4.0  # the field is smooth over centimetres
_ITERATIONS = (50, 50, 30)


def correct_bias_field(volume: Volume, mask: NDArray[np.bool_]) -> Volume:
    """The volume divided by its bias field, which is estimated within ``mask``; the mean there stays."""
    floor = max(float(np.percentile(volume.data[mask], 1)), 1e-6 * float(volume.data[mask].max()))
    image = to_sitk(volume.with_data(np.maximum(volume.data, floor)))  # N4 works on logarithms
    region = sitk.Cast(to_sitk(volume.with_data(mask)), sitk.sitkUInt8)
    factors = [max(1, round(_SHRUNKEN_MM / mm)) for mm in volume.spacing]
    n4 = sitk.N4BiasFieldCorrectionImageFilter()
    n4.SetMaximumNumberOfIterations(_ITERATIONS)
    n4.Execute(sitk.Shrink(image, factors), sitk.Shrink(region, factors))
    field = np.exp(from_sitk(n4.GetLogBiasFieldAsImage(image)).data)
    corrected = volume.data / field
    return volume.with_data(corrected * (volume.data[mask].mean() / corrected[mask].mean()))
