"""MR parameters of every structure: times in ms, proton density relative to water, at 1.5 T.

Cortex, white matter and CSF: BrainWeb's tissue table (Kwan, Evans and Pike 1999, IEEE TMI 18:1085), as in the template
population. The other structures lie between or beside them in the order that relaxometry finds; their values are our
own choice, as are those of the tissues around the brain. Iron: Hallgren and Sourander 1958, J Neurochem 3:41.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

from brain_bundles.phantom.mr_signal import TISSUES as BRAINWEB
from brain_bundles.phantom.mr_signal import Tissue

TISSUES: Mapping[str, Tissue] = {
    "cortex": BRAINWEB["grey_matter"],
    "white_matter": BRAINWEB["white_matter"],
    "cerebellar_cortex": Tissue(0.87, 820.0, 86.0, 68.0, gadolinium=0.02),
    "cerebellar_white_matter": Tissue(0.78, 520.0, 74.0, 60.0, gadolinium=0.01),
    "brainstem": Tissue(0.79, 570.0, 74.0, 58.0, gadolinium=0.01),
    "ventral_diencephalon": Tissue(0.79, 590.0, 68.0, 50.0, gadolinium=0.01),
    "optic_chiasm": Tissue(0.79, 590.0, 78.0, 60.0),
    "thalamus": Tissue(0.82, 680.0, 76.0, 58.0, gadolinium=0.02),
    "caudate": Tissue(0.85, 770.0, 84.0, 66.0, gadolinium=0.02),
    "putamen": Tissue(0.84, 730.0, 82.0, 66.0, gadolinium=0.02),
    "pallidum": Tissue(0.79, 600.0, 80.0, 66.0, gadolinium=0.02),
    "accumbens": Tissue(0.85, 810.0, 84.0, 64.0, gadolinium=0.02),
    "hippocampus": Tissue(0.87, 860.0, 90.0, 70.0, gadolinium=0.02),
    "amygdala": Tissue(0.87, 850.0, 88.0, 70.0, gadolinium=0.02),
    "lateral_ventricle": BRAINWEB["csf"],
    "third_ventricle": BRAINWEB["csf"],
    "fourth_ventricle": BRAINWEB["csf"],
    "csf": BRAINWEB["csf"],
    "choroid_plexus": Tissue(0.88, 1300.0, 95.0, 50.0, gadolinium=0.6),
    # Lesions
    "hyperintensity": Tissue(0.82, 850.0, 130.0, 95.0),  # of age; BrainWeb's are of multiple sclerosis, and brighter
    "plaque": Tissue(0.80, 900.0, 180.0, 130.0, gadolinium=0.02),
    "active_plaque": Tissue(0.82, 950.0, 170.0, 110.0, gadolinium=0.5),
    "stroke_core": Tissue(0.98, 2300.0, 300.0, 60.0),  # chronic: a cavity filled with fluid
    "stroke_gliosis": Tissue(0.86, 1000.0, 170.0, 110.0),
    "oedema": BRAINWEB["oedema"],
    "tumour_core": BRAINWEB["tumour_core"],  # necrosis
    "enhancing_tumour": BRAINWEB["enhancing_tumour"],
    # Around the brain
    "skin": BRAINWEB["skin"],
    "fat": BRAINWEB["fat"],
    "soft_tissue": Tissue(0.78, 900.0, 45.0, 30.0, gadolinium=0.05),  # muscle
    "skull": BRAINWEB["skull"],
    "marrow": Tissue(0.60, 320.0, 60.0, 12.0, gadolinium=0.05),
    "eye": Tissue(1.00, 2600.0, 350.0, 90.0),
    "optic_nerve": Tissue(0.78, 620.0, 75.0, 50.0),
    "mucosa": Tissue(0.85, 1100.0, 80.0, 30.0, gadolinium=0.4),
    "dura": Tissue(0.50, 1000.0, 40.0, 15.0, gadolinium=0.5),
    "spinal_cord": Tissue(0.80, 700.0, 80.0, 50.0),
    # Blood
    "artery": BRAINWEB["artery"],
    "vein": BRAINWEB["vein"],
    "neck_vessel": BRAINWEB["artery"],
}
# Iron in mg per 100 g of fresh weight at an age: most * (1 - exp(-rate * age)) + least.
IRON: Mapping[str, tuple[float, float, float]] = {
    "pallidum": (21.41, 0.09, 0.37),
    "putamen": (14.62, 0.04, 0.46),
    "caudate": (9.66, 0.05, 0.33),
}
R2_PER_IRON = 0.20e-3  # 1/ms per mg per 100 g, at 1.5 T; our choice of a known order
R2_STAR_PER_IRON = 0.60e-3
LATE_IRON = 0.006  # of the plateau, per year above 40: deposits in old age, as the pallidum of old people is dark


# White matter loses myelin from middle age on: T1 grows, and cortex and white matter become more alike (Yeatman et al.
# 2014, Nature Communications 5:4932: R1 falls by about 8 % from 45 to 80 years; Salat et al. 2009, NeuroImage 48:21).
T1_GROWTH, T1_GROWS_FROM = 0.0025, 45.0  # per year
AGEING = ("white_matter",)


def iron(name: str, age: float) -> float:
    """Iron of a structure at an age (years), mg per 100 g; 0 where it hardly matters."""
    if name not in IRON:
        return 0.0
    most, rate, least = IRON[name]
    return (most * (1.0 - math.exp(-rate * age)) + least) * (1.0 + LATE_IRON * max(0.0, age - 40.0))


def tissue_of(name: str, age: float) -> Tissue:
    """Parameters of a structure at an age (years)."""
    tissue, amount = TISSUES[name], iron(name, age)
    growth = 1.0 + T1_GROWTH * max(0.0, age - T1_GROWS_FROM) if name in AGEING else 1.0
    return replace(
        tissue,
        t1=tissue.t1 * growth,
        t2=1.0 / (1.0 / tissue.t2 + R2_PER_IRON * amount),
        t2_star=1.0 / (1.0 / tissue.t2_star + R2_STAR_PER_IRON * amount),
    )
