"""Configs as files: where they stand, how they are read, and keys with a meaning of their own."""

from __future__ import annotations

import json

import pytest

from .helpers import change, found


def test_metadata_is_parsed_with_the_configs(bundle):
    change(bundle / "configs" / "metadata.json", "description", "$__import__('os').system('touch ran')")
    assert any("_meta_::description" in line and "the name __import__" in line for line in found(bundle))


def test_a_config_that_stands_elsewhere(bundle):
    (bundle / "docs" / "run.json").write_text(json.dumps({"run": ["$eval('1')"]}))
    (bundle / "docs" / "list.json").write_text("[1, 2]")
    assert found(bundle) == ["docs/run.json, run::0: $eval('1'): the name eval is not allowed"]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("bundle_root", "docs/figure.png"),
        ("+bundle_root", "docs/figure.png"),
        ("bundle_root", {"_target_": "os.path.join", "a": "docs/figure.png"}),
    ],
)
def test_a_bundle_root_that_is_another_folder(bundle, key, value):
    change(bundle / "configs" / "inference.json", key, value)
    assert any("goes onto the import path, so it must be '.'" in line for line in found(bundle))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"a": 1, "a": 2}', "has the key 'a' twice"),
        ("{", "cannot be read"),
        ("[1]", "holds a list, expected a dictionary"),
        ('"' + "a" * (5 << 20) + '"', "is larger than 4 MiB"),
        ('{"a": ' * 101 + "1" + "}" * 101, "is nested deeper than 100 levels"),
        ('{"a": [' * 50_000, "cannot be read"),
    ],
    ids=["doubled", "cut", "list", "large", "deep", "very deep"],
)
def test_a_config_that_can_be_read_in_two_ways(bundle, text, message):
    (bundle / "configs" / "more.json").write_text(text)
    assert any(line.startswith("configs/more.json: ") and message in line for line in found(bundle))


def test_logging_that_runs_something(bundle):
    path = bundle / "configs" / "logging.conf"
    text = path.read_text()
    assert "args=(sys.stdout,)" in text.replace(" ", "")
    path.write_text(text.replace("(sys.stdout,)", "(__import__('os').system('touch ran'),)"))
    assert any("args are more than constants" in line for line in found(bundle))
    path.write_text(text.replace("class=StreamHandler", "class=evil.Handler"))
    assert any("the class evil.Handler is not in the allow-list" in line for line in found(bundle))
    path.write_text(text.replace("(sys.stdout,)", "('%(x)s',)\nx='+__import__('os').system('touch ran')+'"))
    assert any("args are more than constants" in line for line in found(bundle))
    path.write_text(text.replace("StreamHandler", "FileHandler").replace("(sys.stdout,)", "('/etc/passwd', 'w')"))
    assert any("args write to '/etc/passwd', outside of the current folder" in line for line in found(bundle))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: &a [*a]", "aliases are not allowed"),
        ("a: 1\na: 2", "has the key 'a' twice"),
        ("a: !!timestamp x", "cannot be read"),
        ("a: !!python/object/apply:os.system [touch ran]", "cannot be read"),
    ],
)
def test_yaml_that_is_not_plain(bundle, text, message):
    pytest.importorskip("yaml")
    (bundle / "configs" / "more.yaml").write_text(text)
    assert any(line.startswith("configs/more.yaml: ") and message in line for line in found(bundle))


def test_what_a_bundle_says_does_not_move_the_cursor(bundle):
    change(bundle / "configs" / "inference.json", "evil", "$\x1b[2K\ud800")
    assert all(line.isprintable() for line in found(bundle))
