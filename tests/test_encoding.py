"""Text files are UTF-8 whatever the locale: no file is opened without an encoding."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
MODULES = [*sorted((ROOT / "common").rglob("*.py")), *sorted((ROOT / "bundles").glob("*/*/*.py"))]


def opened_as_text(source: str) -> list[int]:
    """Lines of the calls that read or write text in the encoding of the locale."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call) or any(word.arg == "encoding" for word in node.keywords):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        text = [arg.value for arg in node.args if isinstance(arg, ast.Constant) and isinstance(arg.value, str)]
        text += [
            word.value.value for word in node.keywords if word.arg == "mode" and isinstance(word.value, ast.Constant)
        ]
        # archive.open(entry) of a zip file gives bytes
        plain = isinstance(node.func, ast.Name) or ast.unparse(node.func) in (
            "path.open",
            "self.path.open",
            "Path.open",
        )
        if name in ("read_text", "write_text") or (name == "open" and plain and not any("b" in mode for mode in text)):
            found.append(node.lineno)
    return found


def test_no_file_is_opened_in_the_encoding_of_the_locale():
    assert opened_as_text("open('a')\nopen('a', 'rb')\npath.read_text()\nopen('a', encoding='utf-8')") == [1, 3]
    assert len(MODULES) > 100
    found = {str(path.relative_to(ROOT)): opened_as_text(path.read_text(encoding="utf-8")) for path in MODULES}
    assert {path: lines for path, lines in found.items() if lines} == {}


def test_tables_and_sidecars_are_read_in_a_locale_without_utf_8(tmp_path):
    (tmp_path / "participants.tsv").write_text("participant_id\tsite\nsub-1\tKöln\n", encoding="utf-8")
    code = (
        "import sys; from brain_bundles.data import read_tsv\n"
        f"assert read_tsv({str(tmp_path / 'participants.tsv')!r})[0]['site'] == 'K\\xf6ln', 'read wrongly'\n"
        "assert sys.flags.utf8_mode == 0\n"
        "import locale; assert locale.getpreferredencoding(False).lower().replace('-', '') != 'utf8'\n"
    )
    environment = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    result = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
