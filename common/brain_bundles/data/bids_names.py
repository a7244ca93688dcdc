"""Names of BIDS files: entities, suffix and extension."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

# In the order that BIDS 1.11 prescribes.
_ORDER = """
sub tpl ses cohort sample task tracksys acq nuc voi ce trc stain rec dir run mod echo flip inv mt part proc hemi space
split recording chunk atlas seg scale res den label desc
"""
ENTITIES = _ORDER.split()
INDICES = ("run", "echo", "flip", "inv", "split", "chunk")  # run-1 and run-01 are the same run
CE_CONTRAST = "ce-gadolinium_T1w"
_LABEL = "[A-Za-z0-9+]+"
_NAME = re.compile(rf"((?:[a-z]+-{_LABEL}_)*)([A-Za-z0-9]+)(\..*)?")
# Spellings of the contrast agent: ce-gadolinium, ce-GADOLINIUM, ce-gad, ce-Gd, ce-gadobutrol ...
_GADOLINIUM = re.compile(r"(gad|gd|gbca)[a-z0-9]*", re.IGNORECASE)


@dataclass(frozen=True)
class BidsName:
    """Name of a file in BIDS.

    Attributes:
        entities: key -> label, such as {"sub": "01", "acq": "3D"}.
        suffix: such as T1w.
        extension: such as .nii.gz, or empty.
    """

    entities: Mapping[str, str]
    suffix: str
    extension: str = ".nii.gz"

    def __str__(self) -> str:
        """The name, with the entities in the order of BIDS."""
        order = sorted(self.entities, key=lambda key: ENTITIES.index(key) if key in ENTITIES else len(ENTITIES))
        return "".join(f"{key}-{self.entities[key]}_" for key in order) + self.suffix + self.extension

    def shows(self, contrast: str) -> bool:
        """True for an image of ``contrast``: its suffix and entities are there, and no other contrast agent.

        A standard deviation (``desc-std``) or a phase (``part-phase``) is no image of its suffix.
        """
        wanted = parse_name(contrast)
        if wanted is None or wanted.suffix != self.suffix:
            return False
        if self.entities.get("desc") == "std" or self.entities.get("part", "mag") != "mag":
            return False
        mine = dict(self.entities)
        if _GADOLINIUM.fullmatch(mine.get("ce", "")):
            mine["ce"] = "gadolinium"
        if "ce" in mine and "ce" not in wanted.entities:
            return False
        return all(key in mine and same_label(key, mine[key], label) for key, label in wanted.entities.items())


def parse_name(name: str) -> BidsName | None:
    """Read a file's name, or a contrast such as ce-gadolinium_T1w; None if it is no name of BIDS."""
    match = _NAME.fullmatch(name)
    if match is None:
        return None
    pairs = [pair.split("-", 1) for pair in match[1].split("_") if pair]
    if len({key for key, _ in pairs}) < len(pairs):
        return None
    return BidsName(dict(pairs), match[2], match[3] or "")


def same_label(key: str, one: object, other: object) -> bool:
    """Compare two labels of an entity; indices by their number, other labels in any case."""
    a, b = str(one), str(other)
    if key in INDICES and a.isdigit() and b.isdigit():
        return int(a) == int(b)
    return a.casefold() == b.casefold()


def check_entities(entities: Mapping[str, object] | None) -> dict[str, str | None]:
    """Check the key ``entities`` of a config: entity -> label, or None for files without the entity.

    Raises:
        ValueError: for an entity that BIDS does not have, one that is chosen by another key, or a malformed label.
    """
    checked: dict[str, str | None] = {}
    if entities is not None and not isinstance(entities, Mapping):
        raise ValueError(f"entities is {entities!r}, expected a mapping such as {{'acq': '3D', 'run': 1}}.")
    for key, label in (entities or {}).items():
        if key in ("sub", "ses", "ce") or key not in ENTITIES:
            known = ", ".join(name for name in ENTITIES if name not in ("sub", "ses", "ce"))
            advice = {
                "sub": "; participants are chosen by participant_label",
                "ses": "; sessions are chosen by session_id",
                "ce": f"; the contrast agent belongs to the contrast, as in {CE_CONTRAST}",
            }
            raise ValueError(f"entities has {key!r}, known are {known}{advice.get(key, '')}.")
        if label is not None and (isinstance(label, bool) or not re.fullmatch(_LABEL, str(label))):
            raise ValueError(f"entities has {key}: {label!r}, expected letters and digits, or None for no {key}.")
        checked[key] = None if label is None else str(label)
    return checked
