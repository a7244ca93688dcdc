"""Checks of one file of a bundle: code, weights, or data."""

from __future__ import annotations

import hashlib
import importlib.util
import json
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from torch import nn

from bundle_verify.components import OUR_PACKAGES
from bundle_verify.data_files import problem_with_data
from bundle_verify.report import Finding, Problem, not_judged
from bundle_verify.source import CODE, WEIGHTS, BundleSource
from bundle_verify.static_network import CannotBuildError, build_network
from bundle_verify.weights import code_beside_tensors, tensors_of_weights

# Weights of this collection -> the id of their network. MONAI's own tools load the first into the network of
# inference.json or train.json.
RECIPE = "recipe._extra_state"  # entry of weights that is no parameter
NETWORKS = {"models/model": "network_def", "models/autoencoder": "autoencoder_def"}


def check_file(source: BundleSource, name: str, configs: Mapping[str, dict[str, Any]]) -> Iterator[Finding]:
    """Findings about one file.

    Args:
        source: the bundle.
        name: name of the file.
        configs: configs of the bundle, whose networks the weights must fit.
    """
    if name.lower().endswith(WEIGHTS):
        yield from _weights(source, name, configs)
    elif problem := _problem_with_file(source, name):
        yield Finding(name, "", *problem)


def _problem_with_file(source: BundleSource, name: str) -> Problem | None:
    if name.lower().endswith(".pyc"):
        return not_judged("is compiled code, which may differ from its source; delete it")
    if name.lower().endswith(".py"):
        return _problem_with_python(source, name)
    if name.lower().endswith(CODE):
        return not_judged("can hold code that cannot be checked here")
    with source.open(name) as file:
        return problem_with_data(file, name)


def _problem_with_python(source: BundleSource, name: str) -> Problem | None:
    """Problem with a Python file: it is not one of the installed collection."""
    top = name.split("/")[0]
    own = _installed(top) if top in OUR_PACKAGES else None
    if own is None:
        return not_judged("is code that has not been checked; read it before you run the bundle")
    file = own.parent / name
    if not file.is_file() or hashlib.sha256(file.read_bytes()).hexdigest() != source.digest(name):
        return not_judged(f"differs from the file of that name in the installed collection, {own.parent}")
    return None


@cache
def _installed(package: str) -> Path | None:
    """Folder of an installed package, found without importing it."""
    spec = importlib.util.find_spec(package)
    return Path(spec.origin).parent if spec is not None and spec.origin is not None else None


def _weights(source: BundleSource, name: str, configs: Mapping[str, dict[str, Any]]) -> Iterator[Finding]:
    with source.path(name) as path:
        if code := code_beside_tensors(path, CODE):
            yield Finding(name, "", f"is a zip that holds code: {code}")
        try:
            tensors = tensors_of_weights(path)
            shapes = {key: tuple(value.shape) for key, value in tensors.items()}
            recipe = _recipe(tensors)
        except ValueError as error:
            yield Finding(name, "", str(error))
            return
    plain = [one for one in configs if one.count("/") == 1]
    entry = next((one for stem in ("inference", "train") for one in plain if Path(one).stem == stem), None)
    key = NETWORKS.get(name.rsplit(".", 1)[0])
    if key is None or entry is None or key not in configs[entry]:
        return
    ours = tuple(one for one in OUR_PACKAGES if one.startswith("brain_mri_") and _installed(one) is not None)
    try:
        network = build_network(configs[entry], key, ours, recipe)
    except CannotBuildError as error:
        message = f"cannot be compared with {name} without running the config: {error}"
        yield Finding(entry, key, message, judged=False)
        return
    if problem := _difference(network, shapes):
        yield Finding(name, "", f"does not fit {key} of {entry}: {problem}")


def _recipe(tensors: Mapping[str, Any]) -> dict[str, Any]:
    """Settings that the weights carry: a checksum of 32 characters, JSON, zeros; empty without them."""
    code = tensors.get(RECIPE)
    try:
        return dict(json.loads(bytes(code.tolist())[32:].rstrip(b"\0"))) if code is not None else {}
    except (AttributeError, ValueError, TypeError, NotImplementedError):  # the last: without values
        return {}


def _difference(network: nn.Module, found: Mapping[str, tuple[int, ...]]) -> str | None:
    """Differences in names and shapes between weights and a network without values, None if there are none."""
    expected = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    if RECIPE not in expected:  # a network of MONAI's gets its place for the recipe when the config has run
        found = {name: shape for name, shape in found.items() if name != RECIPE}
    missing, unknown = sorted(expected.keys() - found.keys()), sorted(found.keys() - expected.keys())
    other = [
        f"{name} {found[name]} instead of {expected[name]}"
        for name in sorted(expected.keys() & found.keys())
        if expected[name] != found[name]
    ]
    groups = {"missing in the file": missing, "unknown to the network": unknown, "of another shape": other}
    texts = [f"{len(names)} {title}: {', '.join(names[:5])}" for title, names in groups.items() if names]
    return "; ".join(texts) or None
