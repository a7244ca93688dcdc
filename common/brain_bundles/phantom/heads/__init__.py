"""The head population: people made from label maps, with the volumes and the ageing of real adults."""

from brain_bundles.phantom.heads.anatomy import HeadAnatomy, render_head
from brain_bundles.phantom.heads.atlas import HeadAtlas, build_atlas
from brain_bundles.phantom.heads.label_map import LabelMap, read_label_map
from brain_bundles.phantom.heads.people import Person, fit_people, head_population
from brain_bundles.phantom.heads.prepared import load_head, load_heads
from brain_bundles.phantom.heads.source import HeadSource
from brain_bundles.phantom.heads.split import find_label_maps, split_of
from brain_bundles.phantom.heads.subject import HeadOptions, HeadSubject, render_subject

__all__ = [
    "HeadAnatomy",
    "HeadAtlas",
    "HeadOptions",
    "HeadSource",
    "HeadSubject",
    "LabelMap",
    "Person",
    "build_atlas",
    "find_label_maps",
    "fit_people",
    "head_population",
    "load_head",
    "load_heads",
    "read_label_map",
    "render_head",
    "render_subject",
    "split_of",
]
