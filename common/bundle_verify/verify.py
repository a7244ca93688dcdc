"""Check a bundle before it runs, without running any of it."""

from __future__ import annotations

import importlib.util
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import nn

from bundle_verify.allowed_names import is_standard, third_parties
from bundle_verify.config_checks import check_config, check_imports
from bundle_verify.config_text import look_up, read_config, read_configs
from bundle_verify.large_files import check_large_files
from bundle_verify.logging_checks import check_logging
from bundle_verify.manifest import MANIFEST, differences, read_manifest
from bundle_verify.source import CODE, WEIGHTS, BundleSource, Finding, open_bundle
from bundle_verify.static_network import CannotBuildError, build_network
from bundle_verify.weights import code_beside_tensors, problem_with_data, tensors_of_weights

METADATA = "configs/metadata.json"
SCHEMA = Path(__file__).with_name("meta_schema_20240725.json")
# Weights of this collection -> the id of their network. MONAI's own tools load the first into the network of
# inference.json or train.json.
NETWORKS = {"models/model": "network_def", "models/autoencoder": "autoencoder_def"}
OUR_PACKAGES = (
    "brain_bundles",
    "bundle_verify",
    "brain_mri_generator",
    "brain_mri_slice2volume_translator",
    "brain_mri_adaptive_translator",
)


def verify(path: str | Path) -> list[Finding]:
    """Check a MONAI bundle and return the findings: all that is wrong or cannot be checked. Empty if there are none.

    A bundle can run any code through ``_target_`` and ``$``. This function only reads it. It checks names and checksums
    in a zip, the manifest, the metadata against MONAI's schema, required files and ids, and macros. It checks every
    expression and every ``_target_`` of every config against allow-lists, and Python files against those of the
    installed collection. Weights must be plain tensors that fit the network in the config. docs/security.md has the
    whole list and its limits.

    Args:
        path: folder or zip of a bundle.

    Raises:
        UnreadableBundleError: if there is nothing to check.
        ImportError: if jsonschema is not installed.
    """
    with open_bundle(path) as source:
        metadata, findings = _metadata(source)
        configs, more = read_configs(source)
        others, of_others = read_configs(source, elsewhere=True)  # a README may ask to run them
        findings = [*source.findings, *_tried(MANIFEST, _manifest, source), *findings, *more, *of_others]
        findings += _tried("configs", _required, source, configs)
        packages = frozenset({*third_parties(metadata.get("required_packages_version", {})), *_own_code(source)})
        texts = {**configs, **others, METADATA: {"_meta_": metadata}}  # MONAI parses the metadata with the configs
        imported, more = check_imports(texts, packages)
        findings += more
        for name, config in texts.items():
            findings += _tried(name, check_config, name, config, {**configs, **others}, packages, imported)
        findings += _tried("logging.conf", check_logging, source)
        findings += _tried("large_files", check_large_files, source, configs)
        findings += _tried("code", _code, source)
        findings += _tried("models", _weights, source, configs)
    return findings


def _tried(name: str, check: Callable[..., Iterable[Finding]], *arguments: Any) -> list[Finding]:
    """Findings of one check. An error in the check is a finding too."""
    findings = []
    try:
        for finding in check(*arguments):
            findings.append(finding)
    except Exception as error:
        findings.append(Finding(name, "", f"cannot be checked ({type(error).__name__}: {str(error)[:200]})"))
    return findings


def _own_code(source: BundleSource) -> set[str]:
    """Packages of the bundle itself: this collection's, and others that are neither standard nor installed."""
    tops = {name.split("/")[0] for name in source.names if name.endswith(".py") and "/" in name}
    return {
        top
        for top in tops | set(OUR_PACKAGES)
        if top in OUR_PACKAGES or (not is_standard(top) and importlib.util.find_spec(top) is None)
    }


def _metadata(source: BundleSource) -> tuple[dict[str, Any], list[Finding]]:
    if METADATA not in source.names:
        return {}, [Finding(METADATA, "", "is missing")]
    try:
        metadata = read_config(source.read(METADATA), METADATA)
    except ValueError as error:
        return {}, [Finding(METADATA, "", str(error))]
    try:
        from jsonschema import Draft201909Validator
    except ImportError as error:
        raise ImportError("verify needs jsonschema: pip install jsonschema pyyaml.") from error
    validator = Draft201909Validator(json.loads(SCHEMA.read_text(encoding="utf-8")))
    findings = [
        Finding(METADATA, "::".join(map(str, error.absolute_path)), error.message[:300])
        for error in sorted(validator.iter_errors(metadata), key=lambda error: list(map(str, error.absolute_path)))
    ]
    version, changelog = metadata.get("version"), metadata.get("changelog")
    if not isinstance(changelog, dict) or str(version) not in changelog:
        findings.append(Finding(METADATA, "changelog", f"has no line for version {version}"))
    if re.split(r"_v\d*.", source.name)[0] != source.name:
        findings.append(Finding(METADATA, "", f"MONAI cuts the name {source.name} at '_v' when it looks for versions"))
    if not isinstance(metadata.get("required_packages_version", {}), dict):
        metadata["required_packages_version"] = {}
    return metadata, findings


def _manifest(source: BundleSource) -> list[Finding]:
    if MANIFEST not in source.names:
        return []
    try:
        expected = read_manifest(source.read(MANIFEST).decode())
    except ValueError as error:  # also for a text that is not UTF-8
        return [Finding(MANIFEST, "", str(error))]
    found = {name: source.sha256(name) for name in source.names if name != MANIFEST}
    return [Finding(MANIFEST, "", line) for line in differences(expected, found)]


def _required(source: BundleSource, configs: Mapping[str, dict[str, Any]]) -> Iterator[Finding]:
    from monai.bundle.properties import InferProperties, TrainProperties
    from monai.bundle.utils import ID_SEP_KEY
    from monai.utils import BundleProperty, BundlePropertyConfig

    for name in ("LICENSE", "docs/README.md"):
        if name not in source.names:
            yield Finding(name, "", "is missing")
    found = {Path(name).stem: name for name in configs if name.count("/") == 1}
    if not found.keys() & {"inference", "train"}:
        yield Finding("configs", "", "has neither an inference nor a train config")
    for stem, properties in (("inference", InferProperties), ("train", TrainProperties)):
        if stem not in found:
            continue
        config = configs[found[stem]]
        wanted = [str(one[BundlePropertyConfig.ID]) for one in properties.values() if one[BundleProperty.REQUIRED]]
        for key in [*wanted, "run"]:
            try:
                look_up(config, key.replace(ID_SEP_KEY, "::"))
            except KeyError:
                yield Finding(found[stem], key, "is missing; MONAI's tools need it")


def _code(source: BundleSource) -> Iterator[Finding]:
    for name in source.names:
        top = name.split("/")[0]
        if name.lower().endswith(".pyc"):
            yield Finding(name, "", "is compiled code, which may differ from its source; delete it")
        elif name.lower().endswith(".py"):
            own = _installed(top) if top in OUR_PACKAGES else None
            if own is None:
                yield Finding(name, "", "is code that has not been checked; read it before you run the bundle")
            elif not (own.parent / name).is_file() or (own.parent / name).read_bytes() != source.read(name):
                yield Finding(name, "", f"differs from the file of that name in the installed collection, {own.parent}")
        elif name.lower().endswith(CODE):
            yield Finding(name, "", "can hold code that cannot be checked here")
        elif not name.lower().endswith(WEIGHTS) and (problem := problem_with_data(source.read(name))):
            yield Finding(name, "", problem)


@cache
def _installed(package: str) -> Path | None:
    """Folder of an installed package, found without importing it."""
    spec = importlib.util.find_spec(package)
    return Path(spec.origin).parent if spec is not None and spec.origin is not None else None


def _weights(source: BundleSource, configs: Mapping[str, dict[str, Any]]) -> Iterator[Finding]:
    plain = [name for name in configs if name.count("/") == 1]
    entry = next((name for stem in ("inference", "train") for name in plain if Path(name).stem == stem), None)
    ours = tuple(name for name in OUR_PACKAGES if name.startswith("brain_mri_") and _installed(name) is not None)
    for name in source.names:
        if not name.lower().endswith(WEIGHTS):
            continue
        content = source.read(name)
        if code := code_beside_tensors(content, CODE):
            yield Finding(name, "", f"is a zip that holds code: {code}")
        try:
            state = tensors_of_weights(content, name)
        except ValueError as error:
            yield Finding(name, "", str(error))
            continue
        key = NETWORKS.get(name.rsplit(".", 1)[0])
        if key is None or entry is None or key not in configs[entry]:
            continue
        try:
            network = build_network(configs[entry], key, ours)
        except CannotBuildError as error:
            yield Finding(entry, key, f"cannot be compared with {name} without running the config: {error}")
            continue
        if problem := _difference(network, state):
            yield Finding(name, "", f"does not fit {key} of {entry}: {problem}")


def _difference(network: nn.Module, state: Mapping[str, torch.Tensor]) -> str | None:
    """Differences in names and shapes between ``state`` and a network without values, None if there are none."""
    expected = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    found = {name: tuple(value.shape) for name, value in state.items()}
    missing, unknown = sorted(expected.keys() - found.keys()), sorted(found.keys() - expected.keys())
    other = [
        f"{name} {found[name]} instead of {expected[name]}"
        for name in sorted(expected.keys() & found.keys())
        if expected[name] != found[name]
    ]
    groups = {"missing in the file": missing, "unknown to the network": unknown, "of another shape": other}
    texts = [f"{len(names)} {title}: {', '.join(names[:5])}" for title, names in groups.items() if names]
    return "; ".join(texts) or None
