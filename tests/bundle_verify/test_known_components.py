"""The list of known components agrees with the installed packages, and no argument with a rule lacks it."""

from __future__ import annotations

import importlib
import inspect

import pytest
from bundle_verify.components import known_component, listed
from bundle_verify.report import Problem

# Signatures that Python cannot tell, or that forward their arguments: those names are held by the forms that use them.
FORWARDING = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
# Arguments that load pickles or look up code, in any component.
GUARDED = {"allow_pickle": "false", "weights_only": "true", "pickle_module": "pickle", "merger_cls": "code"}


def installed(name: str):
    """The listed class or function; None where only this release lacks the optional package."""
    module, _, rest = name.rpartition(".")
    while module:
        try:
            found = importlib.import_module(module)
        except ImportError:
            module, _, part = module.rpartition(".")
            rest = f"{part}.{rest}"
            continue
        for part in rest.split("."):
            found = getattr(found, part)
        return found
    return None


@pytest.mark.parametrize("package", ["monai", "torch", "ignite", "numpy", "math", "os", "json", "builtins"])
def test_every_listed_name_exists(package):
    names = [name for name in listed() if name.split(".")[0] == package]
    assert names
    for name in names:
        installed(name)  # raises AttributeError


def test_listed_arguments_are_those_of_the_release():
    """A new release that adds an argument, or moves one, fails here, so that somebody reads what it does."""
    compared = 0
    for name, component in listed().items():
        if name.split(".")[0] != "monai" or not callable(found := installed(name)):
            continue
        function = found.__init__ if inspect.isclass(found) and not component.positional else found
        parameters = [one for key, one in inspect.signature(function).parameters.items() if key != "self"]
        if not component.keywords or any(one.kind in FORWARDING for one in parameters):
            continue
        assert [one.name for one in parameters if one.name not in component.keywords] == [], name
        in_order = [one.name for one in parameters if one.kind is not inspect.Parameter.KEYWORD_ONLY]
        assert list(component.positional) == in_order[: len(component.positional)], name
        compared += 1
    assert compared > 500


def test_arguments_that_load_code_have_their_rule():
    for name, component in listed().items():
        for argument in GUARDED.keys() & component.keywords:
            assert component.rules[argument] == GUARDED[argument], name
    for name in ("LoadImage", "LoadImaged"):
        component = known_component(f"monai.transforms.{name}")
        assert not isinstance(component, Problem)
        assert component.rules["reader"] == "code"
        assert not component.any_positional


def test_names_are_followed_to_where_they_are_defined():
    for name in (
        "monai.transforms.LoadImageD",
        "monai.transforms.LoadImageDict",
        "monai.transforms.io.dictionary.LoadImaged",
    ):
        assert known_component(name) == listed()["monai.transforms.io.dictionary.LoadImaged"]
    assert known_component("torch.optim.Adam") == listed()["torch.optim.adam.Adam"]
    assert isinstance(known_component("monai.data.utils.os.system"), Problem)
