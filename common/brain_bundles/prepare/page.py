"""One HTML page over all pictures of a preparation."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from brain_bundles.prepare.results import OWN, record_name
from brain_bundles.utils.atomic import atomic_write

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem; color: #222 } img { max-width: 100%; display: block }
section { margin: 0 0 2.5rem } .warning { color: #a04000 } .problem { color: #b00020; font-weight: 600 }
"""


def write_page(dest: Path, records: Sequence[Mapping[str, Any]]) -> Path:
    """Write ``prepare/index.html``: failed visits first, then those with warnings, then the others."""
    order = sorted(records, key=lambda r: (not r["Problem"], not r.get("Warnings"), record_name(r)))
    failed = sum(bool(r["Problem"]) for r in records)
    body = [f"<h1>{len(records)} visits, {failed} left out</h1>"]
    body += ["<p>Each contrast on the common grid, before the mask; the line is the outline of the brain mask.</p>"]
    for record in order:
        name = html.escape(record_name(record))
        body.append(f'<section id="{name}"><h2>{name}</h2>')
        if record["Problem"]:
            body.append(f'<p class="problem">{html.escape(record["Problem"])}</p></section>')
            continue
        facts = [f"contrasts {', '.join(record['Contrasts'])}"]
        if record["MaskVolume"] is not None:
            facts.append(f"mask {record['MaskVolume']:.0f} mL")
        facts += [
            f"{k.replace('_', ' ')} {v:.0f} mL" for k, v in (record.get("Volumes") or {}).items() if v is not None
        ]
        body.append(f"<p>{html.escape('; '.join(facts))}</p>")
        body += [f'<p class="warning">{html.escape(text)}</p>' for text in record["Warnings"]]
        body.append(f'<img src="pictures/{name}.png" alt="{name}" loading="lazy"></section>')
    page = f"<!doctype html><meta charset='utf-8'><title>Prepared brains</title><style>{_STYLE}</style>\n"
    path = dest / OWN / "index.html"
    atomic_write(path, page + "\n".join(body) + "\n")
    return path
