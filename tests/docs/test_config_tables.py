"""The pages of the configs are those of today's files, and every key at the top has a meaning."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

pytest.importorskip("griffe", reason="the extra docs is not installed")
ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "docs"))
import config_meanings  # noqa: E402
import config_tables  # noqa: E402

BUNDLES = [pytest.param(path, id=path.name) for path in config_meanings.BUNDLES]


@pytest.mark.parametrize("bundle", BUNDLES)
def test_a_page_is_that_of_the_files(bundle):
    written = (ROOT / "docs" / "reference" / "configs" / f"{bundle.name}.md").read_text(encoding="utf-8")
    assert written == config_tables.page(bundle), "run `python docs/config_tables.py` and commit what it wrote"


@pytest.mark.parametrize("bundle", BUNDLES)
def test_every_key_has_a_meaning(bundle):
    configs = config_tables.read_configs(bundle)
    known = config_meanings.meanings(bundle.name, configs)
    keys = {key for config in configs.values() for key in config} - {"_desc_"}
    assert len(keys) > 50
    assert sorted(key for key in keys if not (known.get(key) or known.get(key.lstrip("+")))) == []


@pytest.mark.parametrize("bundle", BUNDLES)
def test_every_value_of_every_file_is_in_a_row(bundle):
    """Counted without the code that makes the tables: every leaf but the notes and the names of components."""

    def leaves(value, path):
        if isinstance(value, dict) and value:
            return [leaf for key, one in value.items() for leaf in leaves(one, f"{path}::{key}")]
        if isinstance(value, list) and any(isinstance(one, (dict, list)) for one in value):
            return [leaf for number, one in enumerate(value) for leaf in leaves(one, f"{path}::{number}")]
        return [path.removeprefix("::")]

    page = config_tables.page(bundle)
    for name in sorted((bundle / "configs").glob("*.json")):
        if name.stem == "metadata":
            continue
        for path in leaves(json.loads(name.read_text(encoding="utf-8")), ""):
            if path.rpartition("::")[2] not in ("_target_", "_desc_"):
                (row,) = [line for line in page.splitlines() if line.startswith(f"| `{path}` |")]
                assert name.stem in row


def test_words_are_of_keys_that_exist():
    keys = {
        (bundle.name, key.lstrip("+"))
        for bundle in config_meanings.BUNDLES
        for config in config_tables.read_configs(bundle).values()
        for key in config
    }
    for name in config_meanings.words():
        bundle, _, key = name.rpartition("/")
        assert (bundle, key) in keys if bundle else key.lstrip("+") in {one for _, one in keys}, name


def test_the_parts_of_a_config():
    config = {"a": {"_target_": "x.Y", "b": [1, 2], "c": [{"d": "@e"}]}}
    assert [path for path, _ in config_meanings.parts(config)] == [
        "a",
        "a::_target_",
        "a::b",
        "a::c",
        "a::c::0",
        "a::c::0::d",
    ]
    assert config_tables.rows({"f": config}) == {
        "a": {"f": config["a"]},
        "a::b": {"f": [1, 2]},
        "a::c": {"f": [{"d": "@e"}]},
        "a::c::0": {"f": {"d": "@e"}},
        "a::c::0::d": {"f": "@e"},
    }


def test_a_cell_names_each_value_once_with_its_files():
    values = {"inference": 1, "train": 2, "train_autoencoder": 2, "paper": {"_target_": "x.Y"}}
    assert config_tables.cell(values) == "`1` *inference*<br>`2` *train, train_autoencoder*<br>`x.Y` *paper*"


def test_meanings_come_from_docstrings():
    """A component's own, and for a key the argument to which it is handed on; ours alone, and no markup of theirs."""
    configs = {
        "train": {
            "steps": 3,
            "sampler": {"_target_": "brain_bundles.schedulers.DenoisingSteps", "num_inference_steps": "@steps"},
        }
    }
    known = config_meanings.meanings("no_bundle", configs)
    assert known["steps"] == known["sampler::num_inference_steps"]
    assert known["steps"].startswith("steps over the whole schedule")
    assert config_meanings.summary("monai.data.Dataset") == "of monai"
    assert config_meanings.plain("``a`` of\n  :class:`~b.C` in a*b < c") == r"`a` of `C` in a\*b &lt; c"


def test_arguments_that_share_a_line_have_its_meaning():
    known = config_meanings.arguments("brain_bundles.schedulers.make_scheduler")
    assert known["beta_start"] == known["beta_end"] != ""


def test_notes_that_differ_between_files_name_their_file():
    here = {"_target_": "monai.data.Dataset", "_desc_": "one"}
    configs = {"inference": {"a": here, "b": here}, "train": {"a": here | {"_desc_": "two"}, "b": here}}
    known = config_meanings.meanings("no_bundle", configs)
    assert known["a"] == "*inference*: one; *train*: two"
    assert known["b"] == "one"
