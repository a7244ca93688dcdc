"""Names of files as the data sets write them."""

from __future__ import annotations

import pytest
from brain_bundles.data import contrast_of
from brain_bundles.data.bids import FOLDERS
from brain_bundles.data.contrast_spellings import DEVIATION, NO_SCANS, SPELLINGS, TRANSLATION, split_contrast

CE = "ce-gadolinium_T1w"
SEG, MASK, MAP = "a segmentation", "a mask", "a map or a diffusion image"
NAMES = {
    "BIDS": {
        "sub-1_T1w": "T1w",
        "sub-1_ses-2_acq-3D_run-1_FLAIR": "FLAIR",
        "sub-1_ce-gadolinium_T1w": CE,
        "sub-1_ce-GADOLINIUM_run-1_T1w": CE,
        "sub-1_ce-gad_T1w": CE,
        "sub-1_ce-iron_T1w": None,
        "sub-1_space-T1w_FLAIR": "FLAIR",
        "sub-1_space-MNI152NLin6Asym_desc-preproc_T2w": "T2w",
        "sub-1_angio": "angio",
        "sub-1_swi": "swi",
        "sub-1_PDw": "PDw",
        "sub-1_T2starw": "T2starw",
        "sub-1_T1map": MAP,
        "sub-1_part-phase_T1w": None,
        "sub-1_desc-std_T2w": None,
        "sub-1_dseg": SEG,
        "sub-1_label-GM_probseg": SEG,
        "sub-1_desc-brain_mask": MASK,
        "sub-01_ses-T1_T1w": "T1w",
        "sub-01_ses-T2_T1w": "T1w",
        "sub-01_ses-post_T1w": "T1w",
        "sub-T1_acq-T1_FLAIR": "FLAIR",
        "sub-seg01_ses-mask_T1w": "T1w",
        "sub-1_ses-T2_desc-brain_mask": MASK,
        "sub-1_ses-post_T1w_T2w": TRANSLATION,
    },
    "BraTS 2018 to 2021": {
        "Brats18_2013_0_1_t1": "T1w",
        "BraTS19_CBICA_AAB_1_t1ce": CE,
        "BraTS20_Training_001_t2": "T2w",
        "BraTS2021_00000_flair": "FLAIR",
        "BraTS2021_00000_seg": SEG,
    },
    "BraTS 2023 to 2025": {
        "BraTS-GLI-00000-000-t1n": "T1w",
        "BraTS-MET-00001-000-t1c": CE,
        "BraTS-PED-00001-000-t2w": "T2w",
        "BraTS-SSA-00001-000-t2f": "FLAIR",
        "BraTS-MEN-00004-000-seg": SEG,
        "BraTS-MEN-RT-0000-1_gtv": SEG,
        "BraTS-GLI-00001-000-t1n-voided": None,
        "BraTS-GLI-00001-000-mask-unhealthy": MASK,
    },
    "IXI": {
        "IXI002-Guys-0828-T1": "T1w",
        "IXI002-Guys-0828-T2": "T2w",
        "IXI002-Guys-0828-PD": "PDw",
        "IXI002-Guys-0828-MRA": "angio",
        "IXI002-Guys-0828-DTI-00": MAP,
    },
    "UCSF-PDGM and UPENN-GBM": {
        "UCSF-PDGM-0004_T1": "T1w",
        "UCSF-PDGM-0004_T1c_bias": CE,
        "UCSF-PDGM-0004_FLAIR_bias": "FLAIR",
        "UCSF-PDGM-0004_SWI": "swi",
        "UCSF-PDGM-0004_ADC": MAP,
        "UCSF-PDGM-0004_DTI_eddy_FA": MAP,
        "UCSF-PDGM-0004_brain_segmentation": SEG,
        "UCSF-PDGM-0004_tumor_segmentation": SEG,
        "UPENN-GBM-00001_11_T1GD": CE,
        "UPENN-GBM-00001_11_T1_unstripped": "T1w",
        "UPENN-GBM-00001_11_segm": SEG,
    },
    "OASIS": {
        "OAS1_0001_MR1_mpr-1_anon": "T1w",
        "OAS1_0001_MR1_mpr_n4_anon_sbj_111": "T1w",
        "OAS1_0001_MR1_mpr_n4_anon_111_t88_masked_gfc": "T1w",
        "OAS1_0001_MR1_mpr_n4_anon_111_t88_masked_gfc_fseg": SEG,
        "OASIS_OAS1_0001_MR1/aligned_norm": "T1w",
        "OASIS_OAS1_0001_MR1/aligned_seg35": SEG,
        "sub-OAS30001_ses-d0129_run-01_T1w": "T1w",
    },
    "ADNI": {
        "ADNI_002_S_0295_MR_MPR__GradWarp__B1_Correction__N3__Scaled_Br_20070525124904532_S13407_I53751": "T1w",
        "ADNI_002_S_0413_MR_MPR-R__GradWarp__N3__Scaled_2_Br_20081001114937668_S1_I118673": "T1w",
        "ADNI_002_S_0413_MR_MP-RAGE_REPEAT_br_raw_20061115141733338_S22684_I29704": "T1w",
        "ADNI_002_S_0413_MR_Accelerated_Sagittal_IR-FSPGR_Br_20190101_S1_I2": "T1w",
        "ADNI_002_S_0413_MR_Axial_T2-FLAIR_Br_20130101_S1_I4": "FLAIR",
        "ADNI_002_S_0413_MR_Axial_PD_T2_FSE_br_raw_20061115_S1_I3": "PDT2",
        "ADNI_002_S_0413_MR_Axial_T2_Star_br_raw_2012_2_S1_I5": "T2starw",
        "Sagittal_3D_FLAIR_20190101_4": "FLAIR",
    },
    "other": {
        "T1": "T1w",
        "patient 7 t2 flair": "FLAIR",
        "case7_T1_post": CE,
        "case7_T1+C": CE,
        "case7_MPRAGE_Gd": CE,
        "case7_post_T1": "a T1w image after a contrast agent, or after surgery",
        "PD_0012_T2": "T2w",  # a group of patients, not a contrast
        "t2_norm": "T2w",
        "lesion_T1": "T1w",
        "flair_lesion": SEG,
        "lesion_seg_T1": SEG,
        "plain": None,
        "patient12": None,
        "0001": None,
        "": None,
    },
    "our own results": {
        "case7_T1w_T2w": "a translation",
        "IXI002-Guys-0828-T1_T2w": "a translation",
        "case7_T1w_ce-gadolinium_T1w": "a translation",
        "case7_T1w_T2w_std": "a standard deviation",
        "sub-1_desc-synth_T2w": "T2w",
    },
}


@pytest.mark.parametrize("collection", NAMES)
def test_names_of_the_collections(collection):
    for ending in ("", ".nii", ".nii.gz", ".NII.GZ"):
        expected = NAMES[collection]
        assert {name: contrast_of(f"{name}{ending}") for name in expected} == expected


@pytest.mark.parametrize("change", [str.upper, str.lower])
def test_any_case(change):
    for collection in ("BraTS 2023 to 2025", "IXI", "UCSF-PDGM and UPENN-GBM", "OASIS", "ADNI"):
        expected = NAMES[collection]
        assert {name: contrast_of(f"x/{change(name)}.nii.gz") for name in expected} == expected


def test_contrasts_of_the_table_are_those_of_bids():
    weighted = [name for name in SPELLINGS if " " not in name]
    assert set(weighted) <= set(FOLDERS)
    for name in FOLDERS:  # each is its own spelling
        maps = name.endswith(("map", "sat"))
        assert contrast_of(f"x_{name}.nii.gz") == (MAP if maps else name)


def test_a_name_of_ones_own():
    assert contrast_of("case_myT1") is None
    assert contrast_of("case_MYT1.nii", also="myT1") == "myT1"
    assert contrast_of("case_acq-fast_T2w.nii", also="acq-fast_T2w") == "acq-fast_T2w"
    assert contrast_of("sub-1_ce-gadolinium_T1w", also="T1w") == CE


def test_the_rest_tells_people_apart():
    assert split_contrast("in/IXI002-Guys-0828-T1.nii.gz") == ("T1w", "IXI002-Guys-0828")
    assert split_contrast("BraTS2021_00000_t1ce.nii") == (CE, "BraTS2021_00000")
    assert split_contrast("BraTS-GLI-00000-000-seg.nii") == (SEG, "BraTS-GLI-00000-000")
    assert split_contrast("OAS1_0001_MR1_mpr_n4_anon_111_t88_masked_gfc.nii") == ("T1w", "OAS1_0001_MR1")
    assert split_contrast("a/T1.nii") == ("T1w", "")
    assert split_contrast("plain.nii") == (None, "plain")


def test_the_deviation_of_a_translation_is_no_scan():
    assert contrast_of("scan_T1w_T2w_std.nii.gz") == DEVIATION
    assert DEVIATION in NO_SCANS
