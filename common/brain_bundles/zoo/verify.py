"""A bundle checked before it runs: nothing of it is run for that."""

from __future__ import annotations

import ast
import configparser
import importlib.util
import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import brain_bundles
from brain_bundles.zoo.allowed_names import import_names, problem_with_name
from brain_bundles.zoo.config_text import leaves, look_up, problem_with_macro, read_config, read_configs
from brain_bundles.zoo.expressions import imported_name, problems_with_expression
from brain_bundles.zoo.manifest import MANIFEST, differences, read_manifest
from brain_bundles.zoo.source import BundleSource, Finding, open_bundle
from brain_bundles.zoo.static_network import CannotBuildError, build_network
from brain_bundles.zoo.weights import SUFFIXES, misfits, shapes_of_weights

METADATA = "configs/metadata.json"
SCHEMA = Path(__file__).with_name("meta_schema_20240725.json")
# Of this collection; MONAI's own tools read the weights of the first from inference.json or train.json.
NETWORKS = {"models/model": "network_def", "models/autoencoder": "autoencoder_def"}
OUR_PACKAGES = (
    "brain_bundles",
    "brain_mri_generator",
    "brain_mri_slice2volume_translator",
    "brain_mri_adaptive_translator",
)
_CODE = (".so", ".pyd", ".dll", ".dylib", ".pyc", ".sh", ".bat", ".exe", ".ts", ".ipynb")


def verify(path: str | Path) -> list[Finding]:
    """What is wrong with a MONAI bundle, or cannot be told; empty if nothing.

    A bundle can run any code through ``_target_`` and ``$``. This reads it as text: names and checksums in a zip,
    the manifest, the metadata against MONAI's schema, required files and ids, macros, every expression and every
    ``_target_`` of every config against allow-lists, Python files against those of the installed collection, and
    weights, which must be plain tensors that fit the network which the config names. docs/security.md has the list,
    and its limits.

    Args:
        path: a bundle's folder or zip.

    Raises:
        UnreadableBundleError: if there is nothing to check.
        ImportError: if jsonschema is not installed.
    """
    with open_bundle(path) as source:
        metadata, findings = _metadata(source)
        configs, more = read_configs(source)
        findings = [*source.findings, *_manifest(source), *findings, *more]
        findings += _required(source, configs)
        packages = {*import_names(metadata.get("required_packages_version", {})), *OUR_PACKAGES, "scripts", source.name}
        for name, config in configs.items():
            findings += _config(name, config, configs, packages)
        findings += [*_logging(source), *_code(source), *_weights(source, configs)]
    return findings


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
    validator = Draft201909Validator(json.loads(SCHEMA.read_text()))
    findings = [
        Finding(METADATA, "::".join(map(str, error.absolute_path)), error.message[:300])
        for error in sorted(validator.iter_errors(metadata), key=lambda error: list(map(str, error.absolute_path)))
    ]
    version, changelog = metadata.get("version"), metadata.get("changelog")
    if not isinstance(changelog, Mapping) or version not in changelog:
        findings.append(Finding(METADATA, "changelog", f"has no line for version {version}"))
    if re.search("_v", source.name) and re.split(r"_v\d*.", source.name)[0] != source.name:
        findings.append(Finding(METADATA, "", f"MONAI cuts the name {source.name} at '_v' when it looks for versions"))
    if not isinstance(metadata.get("required_packages_version", {}), Mapping):
        metadata = {}
    return metadata, findings


def _manifest(source: BundleSource) -> list[Finding]:
    if MANIFEST not in source.names:
        return []
    try:
        expected = read_manifest(source.read(MANIFEST).decode())
    except ValueError as error:  # an undecodable text among them
        return [Finding(MANIFEST, "", str(error))]
    found = {name: source.sha256(name) for name in source.names if name != MANIFEST}
    return [Finding(MANIFEST, "", line) for line in differences(expected, found)]


def _required(source: BundleSource, configs: Mapping[str, dict[str, Any]]) -> Iterator[Finding]:
    from monai.bundle.properties import InferProperties, TrainProperties
    from monai.bundle.utils import ID_SEP_KEY

    for name in ("LICENSE", "docs/README.md"):
        if name not in source.names:
            yield Finding(name, "", "is missing")
    found = {Path(name).stem: name for name in configs}
    if not found.keys() & {"inference", "train"}:
        yield Finding("configs", "", "has neither an inference nor a train config")
    for stem, properties in (("inference", InferProperties), ("train", TrainProperties)):
        if stem not in found:
            continue
        config = configs[found[stem]]
        wanted = [str(one["id"]) for one in properties.values() if one["required"]]
        for key in [*wanted, "run"]:
            try:
                look_up(config, key.replace(ID_SEP_KEY, "::"))
            except KeyError:
                yield Finding(found[stem], key, "is missing; MONAI's tools need it")


def _config(
    name: str, config: dict[str, Any], configs: dict[str, dict[str, Any]], packages: set[str]
) -> Iterator[Finding]:
    texts = [(key, value) for key, value in leaves(config) if isinstance(value, str)]
    imported: dict[str, str] = {}
    for other in configs.values():  # files are merged
        for _, value in leaves(other):
            if isinstance(value, str) and value.startswith("$"):
                imported |= imported_name(value[1:])
    for key, value in texts:
        last = re.split("::|#", key)[-1]
        if value.startswith("$"):
            for problem in problems_with_expression(value[1:], packages, imported):
                yield Finding(name, key, f"{value[:200]}: {problem}")
        elif value.startswith("%"):
            if problem := problem_with_macro(value, config, configs):
                yield Finding(name, key, problem)
        elif last == "_target_" and "." in value and (problem := problem_with_name(value, packages)):
            yield Finding(name, key, problem)
        elif last == "_mode_" and value not in ("default", "callable"):
            yield Finding(name, key, f"the mode {value!r} stops in a debugger")


def _logging(source: BundleSource) -> Iterator[Finding]:
    """MONAI loads this file by itself, and Python's loader runs what is in it."""
    for name in source.names:
        if not name.endswith(".conf"):
            continue
        parser = configparser.ConfigParser(interpolation=None)
        try:
            parser.read_string(source.read(name).decode())
        except (configparser.Error, UnicodeDecodeError) as error:
            yield Finding(name, "", f"cannot be read ({error})")
            continue
        for section in parser.sections():
            kind = parser[section].get("class", "StreamHandler")
            if kind.removeprefix("logging.") not in ("StreamHandler", "FileHandler", "NullHandler", "Formatter"):
                yield Finding(name, section, f"the class {kind} is not in the allow-list")
            for key in ("args", "kwargs"):
                if key in parser[section] and not _is_plain(parser[section][key]):
                    yield Finding(name, section, f"{key} is more than constants and the standard streams")


def _is_plain(text: str) -> bool:
    streams = {"sys.stdout", "sys.stderr"}
    try:
        tree = ast.parse(re.sub(r"\bsys\.std(out|err)\b", "None", text), mode="eval").body
        return text.strip() in streams or ast.literal_eval(tree) is not ...
    except (SyntaxError, ValueError, TypeError, RecursionError):
        return False


def _code(source: BundleSource) -> Iterator[Finding]:
    for name in source.names:
        top = name.split("/")[0]
        if name.lower().endswith(_CODE):
            yield Finding(name, "", "can hold code that cannot be looked at here")
        elif not name.endswith(".py"):
            continue
        elif top not in OUR_PACKAGES or (own := _installed(top)) is None:
            yield Finding(name, "", "is code that has not been checked; read it before you run the bundle")
        elif not (own.parent / name).is_file() or (own.parent / name).read_bytes() != source.read(name):
            version = brain_bundles.__version__
            yield Finding(name, "", f"differs from the file of that name in the installed collection, {version}")


@cache
def _installed(package: str) -> Path | None:
    """The folder of an installed package; looking for it does not import it."""
    spec = importlib.util.find_spec(package)
    return Path(spec.origin).parent if spec is not None and spec.origin is not None else None


def _weights(source: BundleSource, configs: Mapping[str, dict[str, Any]]) -> Iterator[Finding]:
    entry = next((name for stem in ("inference", "train") for name in configs if Path(name).stem == stem), None)
    ours = tuple(name for name in OUR_PACKAGES[1:] if _installed(name) is not None)
    for name in source.names:
        if not name.lower().endswith(SUFFIXES):
            continue
        try:
            shapes = shapes_of_weights(source.read(name), name)
        except ValueError as error:
            yield Finding(name, "", str(error))
            continue
        key = NETWORKS.get(name.rsplit(".", 1)[0])
        if key is None or entry is None or key not in configs[entry]:
            continue
        try:
            problem = misfits(shapes, build_network(configs[entry], key, ours))
        except CannotBuildError as error:
            yield Finding(entry, key, f"cannot be compared with {name} without running the config: {error}")
            continue
        if problem is not None:
            yield Finding(name, "", f"does not fit {key} of {entry}: {problem}")
