"""Write docs/reference/configs: for each bundle a page with every key of every config.

    python docs/config_tables.py

A page says what each file is, and lists the keys: value, files, meaning. Values come from the configs, meanings from
the docstrings of what they configure (``config_meanings.py``). It needs the extra ``docs``. Nothing of the bundles is
imported.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
from config_meanings import BUNDLES, ROOT, meanings, parts, plain

TITLES = {
    "brain_mri_adaptive_translator": "adaptive translator",
    "brain_mri_generator": "generator",
    "brain_mri_segmenter": "segmenter",
    "brain_mri_slice2volume_translator": "slice-to-volume translator",
}
FIRST = ("inference", "train", "train_autoencoder", "train_spade")  # what the other files lie over
Configs = Mapping[str, Mapping[str, Any]]


def read_configs(bundle: Path) -> dict[str, dict[str, Any]]:
    """Name of the file without its ending -> content, for all but ``metadata.json``, which configures nothing."""
    paths = sorted((bundle / "configs").glob("*.json"), key=lambda path: (path.stem not in FIRST, path.stem))
    return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in paths if path.stem != "metadata"}


def code(value: Any) -> str:
    """A value as it stands in the file; a component by its name, other things with parts by what they are."""
    if isinstance(value, dict) and "_target_" in value:
        return f"`{value['_target_']}`"
    if isinstance(value, dict):
        return "{" + ", ".join(f"`{key}`" for key in value if key != "_desc_") + "}"
    if isinstance(value, list) and any(isinstance(one, (dict, list)) for one in value):
        return f"a list of {len(value)}"
    text = json.dumps(value, ensure_ascii=False)
    assert "|" not in text, text
    assert "`" not in text, text
    return f"`{text[1:-1] if isinstance(value, str) and value[:1] in '$@' and value else text}`"


def cell(values: Mapping[str, Any]) -> str:
    """File -> value, as one cell: each value once, with the files that have it behind it."""
    files: dict[str, list[str]] = {}
    for name, value in values.items():
        files.setdefault(code(value), []).append(name)
    return "<br>".join(f"{value} *{', '.join(names)}*" for value, names in files.items())


def rows(configs: Configs) -> dict[str, dict[str, Any]]:
    """Path -> file -> value, of every path of every file; of a component its name stands for ``_target_``."""
    found: dict[str, dict[str, Any]] = {}
    for name, config in configs.items():
        for path, value in parts(config):
            if path.rpartition("::")[2] not in ("_target_", "_desc_"):
                found.setdefault(path, {})[name] = value
    return dict(sorted(found.items(), key=lambda row: row[0].lower().lstrip("+")))


def table(found: Mapping[str, Mapping[str, Any]], known: Mapping[str, str]) -> list[str]:
    """The lines of a table: a row for each path, with its values and its meaning."""
    lines = ["| key | value, and the files that have it | what it is |", "| --- | --- | --- |"]
    for path, values in found.items():
        lines.append(f"| `{path}` | {cell(values)} | {known.get(path) or known.get(path.lstrip('+'), '')} |")
    return lines


def page(bundle: Path) -> str:
    """The page of a bundle, in Markdown."""
    configs = read_configs(bundle)
    found, known = rows(configs), meanings(bundle.name, configs)
    keys = {key for config in configs.values() for key in config}
    top = {path: values for path, values in found.items() if path in keys}
    below = {path: values for path, values in found.items() if path not in keys}
    lines = [
        f"# Configs of the {TITLES[bundle.name]}",
        "",
        f"Every key of every file in `bundles/{bundle.name}/configs`. Made by `python docs/config_tables.py` from the",
        "files; do not edit it. [How to change a setting](../../how-to/change_a_setting.md).",
        "",
        "`@key` takes the value of another key, `$` is Python. Beside these files there are `metadata.json`, which",
        "describes the bundle by MONAI's schema, and `logging.conf`, which says how a run reports.",
        "",
        "## Files",
        "",
        "| file | what it is | keys |",
        "| --- | --- | ---: |",
        *(f"| `{name}.json` | {plain(config['_desc_'])} | {len(config)} |" for name, config in configs.items()),
        "",
        "## Keys",
        "",
        f"The {len(top)} keys at the top of the files: what is set as `--key value`.",
        "",
        *table(top, known),
        "",
        "## Paths",
        "",
        f"The {len(below)} parts below them, each with its path: what is set as `--key::part value`. What has no",
        "explanation is an argument of the class that stands above it, MONAI's or PyTorch's, or one step of several.",
        "",
        *table(below, known),
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    folder = ROOT / "docs" / "reference" / "configs"
    folder.mkdir(parents=True, exist_ok=True)
    for bundle in BUNDLES:
        (folder / f"{bundle.name}.md").write_text(page(bundle), encoding="utf-8")


if __name__ == "__main__":
    main()
