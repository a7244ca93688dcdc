"""Hostile configs in many spellings: each is found or not judged, and never counted as judged with nothing found."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from bundle_verify import Finding, verify

READER = "monai.data.NumpyReader"
EXPRESSIONS = {
    "a pickle by position": f"{READER}(None, None, True)",
    "a pickle through **": f"{READER}(**{{'allow_' + 'pickle': True}})",
    "a pickle through a starred list": f"{READER}(*[None, None, True])",
    "a pickle through partial": f"functools.partial({READER}, None, None, True)()",
    "a pickle through partial and **": f"functools.partial({READER}, **{{'allow_' + 'pickle': True}})()",
    "a pickle through a lambda's argument": f"(lambda f: f(None, None, True))({READER})",
    "a pickle through map": f"list(map({READER}, [None], [None], [True]))",
    "a pickle through a table": f"{{'a': {READER}}}['a'](None, None, True)",
    "a pickle through a loader": "monai.transforms.LoadImage(None, 1, None, 0, 0, None, '.', 1, None, None, True)",
    "a reader that allows pickles": f"monai.transforms.LoadImage({READER}(None, None, True))",
    "a cache that unpickles": "monai.data.PersistentDataset([], None, 'c', None, 'pickle', 2, None, None, True, False)",
    "a cache with another pickle": "monai.data.PersistentDataset([], None, 'c', pickle_module='evil')",
    "an array with pickles": "np.load('docs/a.npy', None, True)",
    "an array of numpy's own reader": "np.lib.npyio.NpzFile(@device, allow_pickle=True)",
    "weights with pickles": "torch.load('models/model.pt', weights_only=False)",
    "weights with pickles through **": "torch.load('models/model.pt', **{'weights_' + 'only': False})",
    "weights with another pickle": "torch.load('models/model.pt', pickle_module=@device)",
    "weights through another name": "torch.serialization.load('models/model.pt', None, None)",
    "TorchScript": "torch.jit.load('models/model.ts')",
    "a repository": "torch.hub.load('.', 'evil', source='local')",
    "a compiler": "torch.utils.cpp_extension.load('evil', ['evil.cpp'])",
    "a library": "torch.ops.load_library('evil.so')",
    "a format that reaches a class": "'{0.__class__}'.format(@device)",
    "a format that reaches globals": "'{0.__init__.__globals__[os]}'.format(@evaluator)",
    "a format in parts": "('{0.__cla' + 'ss__}').format(1)",
    "a format through str": "str.format('{0.__class__}', 1)",
    "a format of a mapping": "'{a.__class__}'.format_map({'a': 1})",
    "a format in a format": "'{0:{1.__class__}}'.format(1, 2)",
    "a format of a handler": "monai.handlers.StatsHandler(key_var_format='{0.__class__}')",
    "a computed attribute": "getattr(@device, '__cla' + 'ss__')",
    "a reduced attribute": "functools.reduce(getattr, ['__class__', '__base__'], 1)",
    "an attrgetter": "operator.attrgetter('__class__.__base__')(1)",
    "a methodcaller": "operator.methodcaller('system', 'touch ran')(@device)",
    "globals of a function": "copy.copy.__globals__",
    "builtins of a builtin": "print.__self__.eval('1')",
    "an environment for workers": "os.environ.update({'LD_PRELOAD': 'evil.so'})",
    "a replaced function": "setattr(torch, 'load', @device)",
    "an expression of pandas": "pandas.read_csv('a.csv').eval('1')",
    "a pickle of pandas": "pandas.read_pickle('docs/a.dat')",
    "a function by name": "monai.transforms.LoadImage('exec')",
    "a function of torchvision": "monai.transforms.TorchVision('functional')",
    "eval as a function": "monai.transforms.Lambda(eval)",
    "a class by name": "monai.networks.nets.FLEXUNET_BACKBONE.register_class('os.system')",
    "a whole config": "monai.bundle.run(config_file='docs/evil.json')",
    "a module by name": "monai.utils.optional_import('os')[0].system('touch ran')",
    "a written file": "open('evil.py', 'w').write('import os')",
    "a moved file": "pathlib.Path('docs/a.txt').replace('evil.py')",
    "another folder for imports": "sys.path.insert(0, 'docs')",
    "an environment through a comprehension": "[0 for os.environ['LD_PRELOAD'] in ['evil.so']]",
    "a function through a comprehension": "[0 for torch.load in [@device]]",
    "an attribute that is called": "@evaluator.logger('touch ran')",
    "another process group": "torch.distributed.init_process_group('gloo', 'tcp://example.org:1')",
    "a bound name": "(evil := torch.load)('docs/a.dat')",
}
COMPONENTS: dict[str, dict[str, Any]] = {
    "a reader": {"_target_": "NumpyReader", "allow_pickle": True},
    "a reader by its module": {"_target_": "monai.data.image_reader.NumpyReader", "allow_pickle": "$1 == 1"},
    "a reader that is called later": {"_target_": READER, "_mode_": "callable"},
    "a loader": {"_target_": "LoadImaged", "keys": "image", "reader": "NumpyReader", "allow_pickle": True},
    "a loader of another name": {"_target_": "monai.transforms.LoadImageD", "keys": "a", "reader": "builtins.exec"},
    "a loader's list": {"_target_": "LoadImage", "reader": ["NibabelReader", "subprocess.getoutput"]},
    "a dataset of images": {"_target_": "ImageDataset", "image_files": ["a.npy"], "allow_pickle": True},
    "a cache": {"_target_": "PersistentDataset", "data": [], "transform": None, "weights_only": False},
    "a saver": {"_target_": "SaveImage", "writer": "os.system"},
    "a merger": {"_target_": "PatchInferer", "merger_cls": "os.system"},
    "weights": {"_target_": "torch.load", "f": "models/model.pt", "weights_only": "$not True"},
    "a workflow": {"_target_": "monai.bundle.ConfigWorkflow", "config_file": "docs/evil.json"},
    "a transform by name": {"_target_": "TorchVisiond", "keys": "a", "name": "functional"},
    "an unknown argument": {"_target_": "DatasetFunc", "data": [], "func": "$len", "evil": 1},
    "a name of ours": {"_target_": "brain_bundles.cli.main"},
}


@pytest.fixture
def root(tmp_path) -> Path:
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "metadata.json").write_text("{}")
    return tmp_path


def findings_of(root: Path, *configs: dict[str, Any]) -> list[Finding]:
    """Findings in configs that do not come from what the bundle lacks."""
    for number, config in enumerate(configs):
        (root / "configs" / f"part{number}.json").write_text(json.dumps(config))
    return [one for one in verify(root).findings if one.file.startswith("configs/part")]


def spelled(expression: str, chance: random.Random) -> str:
    """The expression in another spelling that means the same."""
    forms = [
        "{}",
        "({})",
        "[{}][0]",
        "(lambda: {})()",
        "[{} for one in (1,)][0]",
        "{} if 1 else None",
        "None or {}",
        "{{'a': {}}}['a']",
        "functools.partial(lambda: {})()",
        "next(iter([{}]))",
        "max([{}], key=lambda one: 1)",
        "(1, *[{}])",
    ]
    for _ in range(chance.randint(0, 2)):
        expression = chance.choice(forms).format(expression)
    return expression


def placed(value: Any, chance: random.Random) -> tuple[dict[str, Any], ...]:
    """Configs that hold a value at some place."""
    base = {"device": "$torch.device('cpu')", "evaluator": {"_target_": "SupervisedEvaluator", "device": "@device"}}
    name = chance.choice(["evil", "run", "initialize", "dataset", "_evil_"])
    return chance.choice(
        [
            ({**base, name: value},),
            ({**base, name: [value, 1]},),
            ({**base, name: {"deep": [{"a": value}]}},),
            (base, {"evaluator::val_handlers": value}),
            (base, {"+evaluator": {"val_handlers": value}}),
            ({**base, name: {"_target_": "Compose", "transforms": [value]}},),
            ({**base, name: {"_target_": "Compose", "_disabled_": True, "transforms": value}},),
        ]
    )


@pytest.mark.parametrize(
    "value",
    [
        f"{READER}()",
        "torch.load('models/model.pt', weights_only=True)",
        "'{:.2f}'.format(1)",
        "functools.partial(monai.handlers.from_engine, ['loss'])()",
        {"_target_": "LoadImaged", "keys": "image", "reader": "NumpyReader"},
        {"_target_": "UNet", "spatial_dims": 3, "in_channels": 1},
    ],
)
def test_what_is_harmless_passes_in_every_spelling(root, value):
    """So no spelling and no place below is a finding by itself."""
    chance = random.Random(7)
    for _ in range(20):
        if isinstance(value, dict):
            last = list(value)[-1]
            rest = {key: part for key, part in value.items() if key != last}
            configs = [placed(value, chance), ({"a": rest}, {f"a::{last}": value[last]}), ({"a": rest}, {"+a": value})]
        else:
            configs = [placed(f"${spelled(value, chance)}", chance)]
        for one in configs:
            assert findings_of(root, *one, {"imports": ["$import functools"]}) == [], one
            for path in (root / "configs").glob("part*"):
                path.unlink()


@pytest.mark.parametrize("kind", EXPRESSIONS)
def test_a_hostile_expression_is_reported_in_every_spelling(root, kind):
    chance = random.Random(20261129 + list(EXPRESSIONS).index(kind))
    imports = [f"$import {name}" for name in ("copy", "functools", "operator", "os", "pandas", "pathlib", "sys")]
    plain = findings_of(root, {"imports": imports}, {})
    assert plain == []
    for _ in range(4):
        text = spelled(EXPRESSIONS[kind], chance)
        found = findings_of(root, *placed(f"${text}", chance), {"imports": imports})
        # The argument is named, or the name, or the form: the line has the expression itself.
        assert any(text[:50] in str(one) for one in found), text
        for path in (root / "configs").glob("part*"):
            path.unlink()


@pytest.mark.parametrize("kind", COMPONENTS)
def test_a_hostile_component_is_reported_at_every_place(root, kind):
    chance = random.Random(20261129 + list(COMPONENTS).index(kind))
    for _ in range(4):
        content = dict(COMPONENTS[kind])
        if chance.random() < 0.5:
            content["_desc_"] = "harmless"
        assert findings_of(root, *placed(content, chance)), content
        for path in (root / "configs").glob("part*"):
            path.unlink()


@pytest.mark.parametrize("kind", [kind for kind, value in COMPONENTS.items() if len(value) > 1])
@pytest.mark.parametrize("form", ["path", "merge", "target"])
def test_a_hostile_component_in_two_files_is_reported(root, kind, form):
    """MONAI merges the files, so each part alone would be harmless."""
    content = COMPONENTS[kind]
    *others, last = content
    one, two = {key: content[key] for key in others}, {last: content[last]}
    if form == "path":
        assert findings_of(root, {"evil": one}, {f"evil::{last}": content[last]})
    elif form == "merge":
        assert findings_of(root, {"evil": one}, {"+evil": two})
    else:
        rest = {key: value for key, value in content.items() if key != "_target_"}
        assert findings_of(root, {"evil": rest}, {"evil#_target_": content["_target_"]})


def test_an_overlay_that_counts_on_the_list_of_another_overlay_is_reported(root):
    base = {"loaders": [{"_target_": "Identityd", "keys": "a"}]}
    more = {"+loaders": [{"_target_": "LoadImage"}]}
    assert findings_of(root, base, more) == []
    assert findings_of(root, base, more, {"loaders::1::reader": "subprocess.getoutput"})
    assert findings_of(root, base, more, {"loaders::1::allow_pickle": True})


def test_all_kinds_are_many():
    assert len(EXPRESSIONS) + len(COMPONENTS) >= 60
