"""Check a bundle before it runs, without running any of it."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from bundle_verify.components import is_installed
from bundle_verify.config_checks import check_config, parts_of
from bundle_verify.config_text import look_up, read_config, read_configs
from bundle_verify.file_checks import check_file
from bundle_verify.imports import Imports
from bundle_verify.large_files import check_large_files
from bundle_verify.logging_checks import check_logging
from bundle_verify.manifest import MANIFEST, differences, read_manifest
from bundle_verify.report import Finding, Report
from bundle_verify.source import BundleSource, open_bundle
from bundle_verify.targets import check_targets

METADATA = "configs/metadata.json"
SCHEMA = Path(__file__).with_name("meta_schema_20240725.json")


def verify(path: str | Path) -> Report:
    """Check a MONAI bundle and report what is wrong, how much was judged, and what was not.

    A bundle can run any code through ``_target_`` and ``$``. This function only reads it. It checks names and checksums
    in a zip, the manifest, the metadata against MONAI's schema, required files and ids, and macros. What a config calls
    must be a known component with known arguments, a data file what a known component would open. Python files must be
    those of the installed collection, weights plain tensors that fit the network in the config. Everything else is
    reported as not judged. docs/reference/verifier.md has the whole list and its limits.

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
        carried = frozenset(_carried(source))
        texts = {**configs, **others, METADATA: {"_meta_": metadata}}  # MONAI parses the metadata with the configs
        imports = Imports(texts, carried)
        findings += imports.findings
        for name, config in texts.items():
            findings += _tried(name, check_config, name, config, {**configs, **others}, imports, carried)
        findings += _tried("configs", check_targets, texts, imports, carried)
        findings += _tried("logging.conf", check_logging, source)
        findings += _tried("large_files", check_large_files, source, configs)
        for name in source.names:
            findings += _tried(name, check_file, source, name, configs)
        parts = {(name, key) for name, config in texts.items() for key in parts_of(config)}
        parts |= {(name, "") for name in source.names}
    findings = list(dict.fromkeys(findings))
    return Report(findings, _num_judged(parts, findings))


def _num_judged(parts: set[tuple[str, str]], findings: Iterable[Finding]) -> int:
    """Number of parts (file, key) that were judged. None of a file is, if the whole file could not be checked."""
    open_parts = {(one.file, one.key) for one in findings if not one.judged}
    whole = {file for file, key in open_parts if not key}
    if "configs" in whole:
        whole |= {file for file, key in parts if key}
    return sum(part not in open_parts and part[0] not in whole for part in parts)


def _tried(name: str, check: Callable[..., Iterable[Finding]], *arguments: Any) -> list[Finding]:
    """Findings of one check. What an error keeps from being checked is not judged."""
    findings = []
    try:
        for finding in check(*arguments):
            findings.append(finding)
    except Exception as error:
        message = f"cannot be checked ({type(error).__name__}: {str(error)[:200]})"
        findings.append(Finding(name, "", message, judged=False))
    return findings


def _carried(source: BundleSource) -> set[str]:
    """Packages of the bundle itself that are neither standard nor installed."""
    tops = {name.split("/")[0] for name in source.names if name.endswith(".py") and "/" in name}
    return {top for top in tops if top not in sys.stdlib_module_names and not is_installed(top)}


def _metadata(source: BundleSource) -> tuple[dict[str, Any], list[Finding]]:
    if METADATA not in source.names:
        return {}, [Finding(METADATA, "", "is missing")]
    try:
        metadata = read_config(source.read(METADATA), METADATA)
    except ValueError as error:
        return {}, [Finding(METADATA, "", str(error), judged=False)]
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
    return metadata, findings


def _manifest(source: BundleSource) -> list[Finding]:
    if MANIFEST not in source.names:
        return []
    try:
        expected = read_manifest(source.read(MANIFEST).decode())
    except ValueError as error:  # also for a text that is not UTF-8
        return [Finding(MANIFEST, "", str(error), judged=False)]
    found = {name: source.digest(name) for name in source.names if name != MANIFEST}
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
