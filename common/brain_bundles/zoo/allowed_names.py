"""Which names a config may use."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Packages of whose classes and functions a `_target_` and an expression may name some, see PARTS.
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
# Parts of the packages above whose names may be used. Of torch and numpy also what stands right below them.
PARTS = {
    "monai": _words(
        """
    data engines handlers inferers losses metrics networks optimizers transforms visualize utils.enums
    utils.set_determinism utils.first utils.ensure_tuple utils.ensure_tuple_rep utils.CommonKeys utils.GanKeys
    utils.LossReduction utils.MetricReduction utils.ImageMetaKey
    """
    ),
    "torch": _words(
        """
    Tensor amp backends cuda device distributed.destroy_process_group distributed.get_rank
    distributed.get_world_size distributed.init_process_group distributed.is_available distributed.is_initialized
    fft linalg nn optim random special utils.data
    """
    ),
    "numpy": _words("fft linalg random"),
    "ignite": _words("contrib.handlers contrib.metrics distributed engine handlers metrics"),
}
# Of these parts, what runs, loads or writes what a config has no need to.
REFUSED = _words(
    """
    monai.data.load_net_with_metadata monai.data.save_net_with_metadata monai.data.torchscript_utils
    monai.networks.trt_compile monai.networks.trt_compiler numpy.fromfile numpy.fromregex numpy.genfromtxt
    numpy.load numpy.loadtxt numpy.memmap numpy.save numpy.savetxt numpy.savez numpy.savez_compressed
    operator.attrgetter operator.methodcaller torch.compile torch.from_file torch.import_ir_module torch.load
    torch.save torch.set_default_device torch.script torch.jit torch.ops torch.classes torch.hub torch.package
    """
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
    if _is_below(name, REFUSED):
        return f"{name} can run, load or write what a config has no need to"
    if _is_below(name, STANDARD):
        return None
    if len(parts) == 1:
        return f"{name} is a whole package" if name in {*PACKAGES, *packages} else f"{name} is not in the allow-list"
    if parts[0] in PARTS:
        fine = _is_below(".".join(parts[1:]), PARTS[parts[0]]) or (len(parts) == 2 and parts[0] in ("torch", "numpy"))
        return None if fine else f"{name} is not in the allow-list"
    return None if parts[0] in packages else f"{name} is not in the allow-list"


def _is_below(name: str, prefixes: Iterable[str]) -> bool:
    return any(name == one or name.startswith(f"{one}.") for one in prefixes)
