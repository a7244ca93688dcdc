"""Acquisitions, how a head is scanned: ``nominal`` is one scanner, ``varied`` all, ``random`` none that exists."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import torch

from brain_bundles.phantom.acquisition import BIAS_KNOTS_MM, BIAS_STD, NOISE_STD
from brain_bundles.phantom.heads.subject import HeadOptions, HeadSubject
from brain_bundles.phantom.scanner.artefact import Artefact, Signal
from brain_bundles.phantom.scanner.draws import uniform
from brain_bundles.phantom.scanner.k_space import Ghosting, Gibbs, Motion
from brain_bundles.phantom.scanner.levels import Levels, RandomLevels, SignalLevels
from brain_bundles.phantom.scanner.post_processing import BrainMask, FieldOfView, Gamma
from brain_bundles.phantom.scanner.receive_coil import BiasField, Noise
from brain_bundles.phantom.scanner.resolution import Blur, ThickSlices, to_grid
from brain_bundles.phantom.scanner.sequences import varied_families
from brain_bundles.phantom.scanner.settings import Scan
from brain_bundles.utils.seeding import derive_seed, generator_for

MAX_TURN_DEG = 15.0
NOMINAL_FWHM_MM = 1.4  # without it heads were sharper than people, see decision 98
BRIGHTNESS = ("cortex", "white_matter")  # their mean level is what noise is relative to


class Acquisition:
    """A way to scan heads: levels of the structures, then artefacts in the order given.

    Args:
        levels: brightness of the structures.
        artefacts: what happens to the image on its way; each name once. Those after the last one that changes the grid
            see slices; the image is brought back to the grid of the head before the first of ``after``.
        after: what happens on the grid of the head: curves of the greys, masks, fields of view.
        max_turn_deg: heads lie turned by up to this angle about each axis.
        name: name in records.

    Raises:
        ValueError: if two artefacts have one name.
    """

    def __init__(
        self,
        levels: Levels,
        artefacts: Sequence[Artefact] = (),
        after: Sequence[Artefact] = (),
        max_turn_deg: float = 0.0,
        name: str = "own",
    ) -> None:
        self.levels, self.max_turn_deg, self.name = levels, max_turn_deg, name
        self.artefacts, self.after = list(artefacts), list(after)
        names = [artefact.name for artefact in (*self.artefacts, *self.after)]
        if len(set(names)) < len(names):
            raise ValueError(f"artefacts are {', '.join(names)}; give each once.")

    def placed(self, options: HeadOptions, seed: int) -> HeadOptions:
        """Options of a head as it lies in the scanner: turned, and with what masks that are too wide show."""
        generator = generator_for(seed, "turn")
        limits = (-self.max_turn_deg, self.max_turn_deg)
        x, y, z = (uniform(limits, generator) for _ in range(3))
        masks = [artefact for artefact in self.after if isinstance(artefact, BrainMask)]
        shell = max((mask.widest_mm for mask in masks), default=0.0)
        return replace(options, turn=(x, y, z), shell_mm=shell)

    def draw(self, head: HeadSubject, contrast: str, *, key: str = "") -> Scan:
        """Settings of a scan of a head.

        Args:
            head: the head.
            contrast: what to ask for, such as T1w.
            key: distinguishes several scans of one contrast and head.

        Raises:
            ValueError: for an unknown contrast.
        """
        seed = derive_seed(head.seed, "scan", self.name, contrast, key)
        levels, slopes, sequence = self.levels.draw(
            contrast, head.fractions, age=head.age, subject=head.seed, generator=generator_for(seed, "levels")
        )
        drawn = {
            artefact.name: artefact.draw(generator_for(seed, "settings", artefact.name))
            for artefact in (*self.artefacts, *self.after)
        }
        present = {name: settings for name, settings in drawn.items() if settings is not None}
        return Scan(contrast, seed, levels, slopes, sequence, present)

    def image(
        self, head: HeadSubject, scan: Scan, *, whole_head: bool = False, extent: torch.Tensor | None = None
    ) -> torch.Tensor:
        """The magnitude image (D, H, W) of a scan, 0 and above; float32.

        Args:
            head: the head.
            scan: from :meth:`draw`, or a record of it.
            whole_head: True to leave out brain masks.
            extent: (D, H, W) bool, the :meth:`extent` of another scan, which takes the place of this one's own.
        """
        volume, varying = torch.zeros(head.intracranial.shape), torch.zeros(head.intracranial.shape)
        for name, fraction in head.fractions.items():
            volume.add_(fraction, alpha=scan.levels[name])
            if name in scan.slopes:
                varying.add_(fraction, alpha=scan.slopes[name])
        # Signal that varies with the person, not with the scan: the same places in all its scans.
        volume = (volume + varying * head.texture).clamp(min=0.0)
        brightness = sum(scan.levels[name] for name in BRIGHTNESS) / len(BRIGHTNESS)
        signal = Signal(volume, (head.spacing,) * 3, head.intracranial, head.tissue, brightness)
        signal = to_grid(self._applied(signal, scan, self.artefacts))
        kept = [artefact for artefact in self._after(whole_head) if extent is None or not artefact.cuts]
        volume = self._applied(signal, scan, kept).volume.clamp(min=0.0)
        return volume if extent is None else volume * extent

    def extent(self, head: HeadSubject, scan: Scan, *, whole_head: bool = False) -> torch.Tensor:
        """Where a scan shows anything: within its brain mask and its field of view, (D, H, W) bool.

        Args:
            head: the head.
            scan: from :meth:`draw`, or a record of it.
            whole_head: True to leave out brain masks.
        """
        ones = torch.ones(head.intracranial.shape)
        signal = Signal(ones, (head.spacing,) * 3, head.intracranial, head.tissue, 1.0)
        cutting = [artefact for artefact in self._after(whole_head) if artefact.cuts]
        return self._applied(signal, scan, cutting).volume > 0

    def _after(self, whole_head: bool) -> list[Artefact]:
        return [artefact for artefact in self.after if not (whole_head and isinstance(artefact, BrainMask))]

    @staticmethod
    def _applied(signal: Signal, scan: Scan, artefacts: Sequence[Artefact]) -> Signal:
        for artefact in artefacts:
            if (settings := scan.artefacts.get(artefact.name)) is not None:
                signal = artefact.apply(signal, settings, generator_for(scan.seed, "artefact", artefact.name))
        return signal


def nominal() -> Acquisition:
    """One scanner at 3 T: one sequence per contrast, little noise, a weak bias field, the exact brain mask."""
    return Acquisition(
        SignalLevels(tesla=(3.0,)),
        [
            BiasField(std=(BIAS_STD, BIAS_STD), knots_mm=(BIAS_KNOTS_MM, BIAS_KNOTS_MM)),
            Blur(fwhm_mm=(NOMINAL_FWHM_MM, NOMINAL_FWHM_MM), probability=1.0),
            Noise(snr=(1.0 / NOISE_STD, 1.0 / NOISE_STD)),
        ],
        [BrainMask(margin_mm=(0.0, 0.0), roughness_mm=(0.0, 0.0), without_csf=0.0)],
        name="nominal",
    )


def _artefacts() -> list[Artefact]:
    return [BiasField(), Motion(), Ghosting(), ThickSlices(), Blur(), Gibbs(), Noise()]


def varied() -> Acquisition:
    """What scanners do within a contrast: families of sequences, 1.5 and 3 T, people, artefacts, slices, masks."""
    return Acquisition(
        SignalLevels(varied_families(), tesla=(1.5, 3.0), people_std=0.04, dose=(0.5, 1.5)),
        _artefacts(),
        [Gamma(), BrainMask(), FieldOfView()],
        max_turn_deg=MAX_TURN_DEG,
        name="varied",
    )


def random_contrast() -> Acquisition:
    """Levels drawn at random (SynthSeg: Billot et al. 2023; SynthSR: Iglesias et al. 2021), artefacts as ``varied``."""
    after = [Gamma(), BrainMask(), FieldOfView()]
    return Acquisition(RandomLevels(), _artefacts(), after, max_turn_deg=MAX_TURN_DEG, name="random")


ACQUISITIONS: Mapping[str, Callable[[], Acquisition]] = {
    "nominal": nominal,
    "varied": varied,
    "random": random_contrast,
}


def acquisition_of(name: str | Acquisition) -> Acquisition:
    """An acquisition by its name, or the one that is given.

    Raises:
        ValueError: for an unknown name.
    """
    if isinstance(name, Acquisition):
        return name
    if name not in ACQUISITIONS:
        raise ValueError(f"acquisition is {name!r}, known are {', '.join(ACQUISITIONS)}.")
    return ACQUISITIONS[name]()
