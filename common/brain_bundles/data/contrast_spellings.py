"""How data sets spell the contrasts in the names of their files: one table, for any case and any separator.

Sources: the naming conventions of BIDS 1.11, BraTS 2018 to 2025, IXI, UCSF-PDGM, UPENN-GBM, OASIS-1 (also as in
Learn2Reg), OASIS-3 and ADNI.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import PurePath

from brain_bundles.data.bids_names import CE_CONTRAST, BidsName, parse_name

SEGMENTATION, MASK, TRANSLATION, DEVIATION = "a segmentation", "a mask", "a translation", "a standard deviation"
NO_SCANS = (SEGMENTATION, MASK, TRANSLATION, DEVIATION)
_MAPS = "t1map t2map t2starmap r1map r2map r2starmap pdmap mtrmap mtsat m0map chimap t1rho adc fa md dwi dti asl cbf"
# Contrast, or what else the file is -> its spellings, in lower case and without separators.
SPELLINGS: Mapping[str, tuple[str, ...]] = {
    "T1w": (
        *("t1", "t1w", "t1n", "t1wi", "t1weighted", "t1native", "t1pre", "t1precontrast", "pret1", "precontrastt1"),
        *("mprage", "mpr", "mprr", "irfspgr", "irspgr", "fspgr", "spgr", "bravo", "mt1"),
    ),
    "T2w": ("t2", "t2w", "t2wi", "t2weighted"),
    "FLAIR": ("flair", "t2f", "t2flair", "t2wflair", "flairt2", "darkfluid", "t2darkfluid"),
    "PDw": ("pd", "pdw", "pdwi", "pdweighted", "protondensity"),
    "angio": ("angio", "mra", "tof", "tofmra", "mratof"),
    "swi": ("swi", "swan", "swiimages"),
    "T2starw": ("t2star", "t2starw", "t2s", "t2gre"),
    "PDT2": ("pdt2",),
    "inplaneT1": ("inplanet1",),
    "inplaneT2": ("inplanet2",),
    "UNIT1": ("unit1",),
    "a T1w image after a contrast agent, or after surgery": ("postt1", "postt1w"),
    "a map or a diffusion image": tuple(_MAPS.split()),
    DEVIATION: ("std",),
}
_ENHANCED = ("c", "ce", "+c", "gd", "gad", "gado", "gadolinium", "cegd", "post", "postgd", "contrast", "postcontrast")
# What software and scanners write after the contrast: steps of processing and details of the sequence.
_PROCESSING = """
bias n3 n3m n4 br raw orig gradwarp b1 correction scaled scaled2 repeat anon sbj t88 masked gfc brain bet stripped
skullstripped unstripped ss norm normalized registered reg coreg coregistered resampled preproc synth defaced deface
fse tse se space blade propeller tirm 3d 2d ax axial sag sagittal cor coronal tra e1 nd
"""
PROCESSING = frozenset(_PROCESSING.split())
_WEIGHTED = tuple(name for name in SPELLINGS if " " not in name)
_ID = re.compile(r"\d+[a-z]?|[si]\d+")  # numbers of people, visits, series and images, dates
# Anywhere in a name, as in lesion_seg_T1; the other words only at its end, since a study may be called lesion.
_SEGMENTATION = re.compile(r"[a-z0-9]*(seg|segm|segmentations?)\d*|gtv")
_MASK = re.compile(r"[a-z]*masks?\d*")
_LABELS = ("label", "labels", "lesion", "lesions", "parc", "parcellation", "aparc")
# Learn2Reg's OASIS: the whole name.
_WHOLE = {"orig": "T1w", "norm": "T1w", "alignedorig": "T1w", "alignednorm": "T1w"}
_LABELS_OF_BIDS = re.compile(r"(?<![^_])(?:sub|ses|task|acq|run)-[^_]+_")
_EXTENSION = re.compile(r"\.(nii|img|hdr|mgz|mgh|nrrd|mha)(\.gz)?$", re.IGNORECASE)


def _table() -> dict[str, str]:
    table = {spelling: name for name, spellings in SPELLINGS.items() for spelling in spellings}
    for base in ("t1", "t1w", "mprage", "mpr", "t1mprage", "bravo", "spgr"):
        table |= {f"{base}{agent}": CE_CONTRAST for agent in _ENHANCED}
        table |= {f"{agent}{base}": CE_CONTRAST for agent in _ENHANCED if agent not in ("c", "+c", "post")}
    return table


_TABLE = _table()


def contrast_of(name: str | PurePath, *, also: str | None = None) -> str | None:
    """What a file shows, by the ending of its name.

    Numbers and steps of processing after the contrast do not count: ``ADNI_..._MPR__GradWarp__N3_..._I53751.nii`` is a
    T1w image.

    Args:
        name: name of a file, with or without folder and extension.
        also: a further contrast that its own name spells, such as a user's own.

    Returns:
        a contrast, see :func:`image_path`, or a phrase such as "a segmentation", or None for an unknown ending.
    """
    return split_contrast(name, also=also)[0]


def split_contrast(name: str | PurePath, *, also: str | None = None) -> tuple[str | None, str]:
    """What a file shows, as :func:`contrast_of` says, and the rest of its name: what stands before the contrast.

    ``IXI002-Guys-0828-T1.nii.gz`` gives ("T1w", "IXI002-Guys-0828"); the rest tells people and visits apart.
    """
    stem = _EXTENSION.sub("", PurePath(name).name)
    words = list(re.finditer(r"[A-Za-z0-9+]+", _without_labels(stem)))

    def text(number: int = 0) -> list[str]:
        return [word[0].lower() for word in words[-number:]]

    def rest(number: int) -> str:
        return stem[: words[-number].start()].rstrip("-_. ")

    for phrase, pattern in ((SEGMENTATION, _SEGMENTATION), (MASK, _MASK)):
        if places := [number for number, word in enumerate(text()) if pattern.fullmatch(word)]:
            return phrase, rest(len(words) - places[0])
    if words and text()[-1] in _LABELS:
        return SEGMENTATION, rest(1)
    if _is_translation(_without_labels(stem)):
        return TRANSLATION, stem
    if also is not None and (match := re.search(f"(?:^|[-_. ]){re.escape(also)}$", stem, re.IGNORECASE)):
        return _with_entities(also, stem), stem[: match.start()]
    if "".join(text()) in _WHOLE:
        return _WHOLE["".join(text())], ""
    while words:
        for number in range(min(len(words), 4), 0, -1):  # the longest run of last words that the table has
            if found := _TABLE.get("".join(text(number))):
                return _with_entities(found, stem), rest(number)
        if not _ID.fullmatch(text()[-1]) and text()[-1] not in PROCESSING:
            break
        words.pop()
    return None, stem


def _without_labels(stem: str) -> str:
    """A name of BIDS with dashes in place of what names people and visits: ses-T1 and sub-mask01 are no contrasts."""
    if not stem.startswith("sub-"):
        return stem
    return _LABELS_OF_BIDS.sub(lambda match: "-" * (len(match[0]) - 1) + "_", stem)


def _is_translation(stem: str) -> bool:
    """True for names of our own results, such as IXI002-Guys-0828-T1_T2w: two contrasts, the second one of BIDS."""
    bare = re.sub(r"_ce-[A-Za-z0-9]+(?=_[A-Za-z0-9]+$)", "", stem)
    match = re.search(r"(?:^|[-_])(?<!space-)([A-Za-z0-9]+)_([A-Za-z0-9]+)$", bare)
    if match is None or match[2] not in SPELLINGS or (match[1] + match[2]).lower() in _TABLE:
        return False
    return _TABLE.get(match[1].lower()) in (*_WEIGHTED, CE_CONTRAST)


def _with_entities(contrast: str, stem: str) -> str | None:
    """The contrast with regard to the entities of BIDS in the name, wherever they stand: its contrast agent, desc-std.

    None for another agent than gadolinium, or for what is no image.
    """
    bare = parse_name(contrast)
    if bare is None:
        return contrast
    entities = dict(re.findall(r"(?:^|_)(ce|desc|part)-([A-Za-z0-9+]+)(?=_)", stem))
    name = BidsName({**bare.entities, **entities}, bare.suffix, "")
    return next((one for one in (contrast, CE_CONTRAST) if name.shows(one)), None)
