"""Which names a config may use."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Packages whose classes and functions a `_target_` and an expression may name.
PACKAGES = frozenset({"monai", "torch", "numpy", "ignite"})
# Of the standard library, what configs use and what does no more than it says.
STANDARD = (
    "math",
    "operator",
    "itertools",
    "functools.partial",
    "functools.reduce",
    "copy.copy",
    "copy.deepcopy",
    "collections.OrderedDict",
    "os.path",
    "glob.glob",
    "pathlib.Path",
    "json.loads",
    "datetime.datetime.now",
    "sys.stdout.isatty",
    "sys.stderr.isatty",
)
STANDARD_MODULES = frozenset({name.split(".")[0] for name in STANDARD})
# Modules that the packages above import, and that could be reached through them: monai.data.utils.os.system.
HIDDEN = _words(
    """
    asyncio atexit builtins cloudpickle code codeop concurrent ctypes dill distutils fileinput ftplib gc http imp
    importlib inspect joblib marshal monai multiprocessing nt numpy np os pandas pathlib pd pickle pip platform
    posix pty pydoc requests runpy setuptools shelve shutil site smtplib socket subprocess sys sysconfig tarfile
    tempfile threading torch urllib webbrowser yaml zipfile zipimport
    """
)
# Parts of the packages above that run, load or write what a config has no need to.
REFUSED = (
    "monai.apps",
    "monai.auto3dseg",
    "monai.bundle",
    "monai.config.deviceconfig.print_debug_info",
    "monai.fl",
    "monai.utils.module",
    "monai.utils.optional_import",
    "monai.utils.misc.run_cmd",
    "monai.utils.run_cmd",
    "monai._extensions",
    "numpy.ctypeslib",
    "numpy.distutils",
    "numpy.f2py",
    "numpy.fromfile",
    "numpy.fromregex",
    "numpy.genfromtxt",
    "numpy.load",
    "numpy.loadtxt",
    "numpy.lib",
    "numpy.memmap",
    "numpy.save",
    "numpy.savetxt",
    "numpy.savez",
    "numpy.savez_compressed",
    "numpy.testing",
    "operator.attrgetter",
    "operator.methodcaller",
    "torch._dynamo",
    "torch._inductor",
    "torch.classes",
    "torch.compile",
    "torch.distributed.elastic",
    "torch.distributed.launch",
    "torch.distributed.rpc",
    "torch.distributed.run",
    "torch.hub",
    "torch.jit",
    "torch.load",
    "torch.multiprocessing",
    "torch.onnx",
    "torch.ops",
    "torch.package",
    "torch.save",
    "torch.serialization",
    "torch.storage",
    "torch.testing",
    "torch.utils.cpp_extension",
    "torch.utils.model_zoo",
    "torch.utils.show_pickle",
)
BUILTINS = _words(
    """
    abs all any bool dict enumerate filter float frozenset int isinstance iter len list map max min next range
    reversed round set slice sorted str sum tuple zip
    """
)
# Methods of whatever object that write, delete or run.
METHODS_REFUSED = _words(
    """
    chmod check_output dump execl execv extract extractall fork hardlink_to kill link_to load_library mkdir open
    popen Popen rename rmdir rmtree save savetxt spawn symlink_to system to_csv to_pickle tofile touch truncate
    unlink write write_bytes write_text writelines __call__
    """
)
_IMPORT_NAMES = {"pytorch-ignite": "ignite", "scikit-image": "skimage", "pillow": "PIL", "pyyaml": "yaml"}


def import_names(requirements: Iterable[str]) -> set[str]:
    """Packages that are imported by these names, of distributions; the standard library is never among them."""
    names = {_IMPORT_NAMES.get(name.lower(), re.sub(r"[-.]+", "_", name)) for name in requirements}
    return {name for name in names if name.isidentifier() and name not in sys.stdlib_module_names}


def problem_with_name(name: str, packages: Iterable[str]) -> str | None:
    """Why a dotted name may not be used, None if it may.

    Args:
        name: such as ``monai.networks.nets.UNet``.
        packages: whose names may be used beside :data:`PACKAGES`.
    """
    parts = name.split(".")
    if not all(part.isidentifier() for part in parts):
        return f"{name!r} is not a name"
    if any(part.startswith("_") for part in parts):
        return f"{name} is private"
    if any(part in HIDDEN for part in parts[1:-1]) or (len(parts) > 1 and parts[-1] in METHODS_REFUSED | HIDDEN):
        return f"{name} can run, load or write what a config has no need to"
    if any(name == one or name.startswith(f"{one}.") for one in REFUSED):
        return f"{name} can run, load or write what a config has no need to"
    if any(name == one or name.startswith(f"{one}.") for one in STANDARD):
        return None
    if parts[0] in {*PACKAGES, *packages}:
        return None if len(parts) > 1 else f"{name} is a whole package"
    return f"{name} is not in the allow-list"
