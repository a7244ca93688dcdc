"""Which names a config may use."""

from __future__ import annotations

import builtins
import importlib
import importlib.util
import sys
from collections.abc import Iterable
from functools import cache
from types import ModuleType
from typing import Any


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# The modules in which what a name stands for must be defined. Of torch and numpy also what stands right below them.
PARTS = {
    "monai": _words(
        """
    data engines handlers inferers losses metrics networks optimizers transforms visualize utils.enums
    utils.misc.set_determinism utils.misc.first utils.misc.ensure_tuple utils.misc.ensure_tuple_rep
    """
    ),
    "torch": _words(
        """
    amp backends cuda distributed.distributed_c10d fft linalg nn optim random special utils.data
    """
    ),
    "numpy": _words("fft linalg random"),
    "ignite": _words("engine handlers metrics distributed"),
    "nibabel": _words("loadsave"),
    "einops": _words("einops layers"),
    "brain_bundles": _words("data engines handlers inferers losses metrics networks schedulers transforms zoo.release"),
}
PACKAGES = frozenset({"monai", "torch", "numpy", "ignite"})
# Third parties whose names may be used where metadata.json requires them: distribution -> package.
THIRD_PARTIES = {"nibabel": "nibabel", "einops": "einops"}
# Of the standard library, what configs use and what does no more than it says.
STANDARD = _words(
    """
    math operator.lt operator.gt operator.le operator.ge operator.eq operator.ne operator.itemgetter itertools.chain
    functools.partial functools.reduce copy.copy copy.deepcopy os.path glob.glob json.loads os.cpu_count
    datetime.datetime.now sys.stdout.isatty sys.stderr.isatty
    """
)
STANDARD_MODULES = frozenset({name.split(".")[0] for name in STANDARD})
# How names begin that load, fetch or write what a config has no need to.
REFUSED_STARTS = (
    "convert_to_onnx",
    "convert_to_torchscript",
    "convert_to_trt",
    "download",
    "load_net",
    "optional_import",
    "pickle",
    "save_net",
    "save_state",
    "trt_",
    "write_file",
    "write_metrics",
)
REFUSED = _words(
    """
    numpy.fromfile numpy.fromregex numpy.genfromtxt numpy.load numpy.loadtxt numpy.memmap numpy.save numpy.savetxt
    numpy.savez numpy.savez_compressed torch.PyTorchFileReader torch.PyTorchFileWriter torch.ScriptModule
    torch.compile torch.from_file torch.import_ir_module torch.import_ir_module_from_buffer torch.load torch.save
    """
)
BUILTINS = _words(
    """
    abs all any bool dict enumerate filter float frozenset hash int isinstance iter len list map max min next pow print
    range reversed round set slice sorted str sum tuple zip
    """
)
ALL_BUILTINS = frozenset(dir(builtins))
# Methods of whatever object that write, delete, load or run.
METHODS_REFUSED = _words(
    """
    chmod check_output dictConfig dump extract extractall fileConfig fork hardlink_to kill link_to load load_library
    loads mkdir modules open popen Popen read_bytes read_text rename rmdir rmtree save savetxt symlink_to system to_csv
    to_pickle tofile touch truncate unlink write write_bytes write_text writelines
    """
)
_METHOD_STARTS = ("spawn", "exec", "posix_spawn", "_")


def third_parties(requirements: Iterable[str]) -> set[str]:
    """Packages of ``required_packages_version`` of which some names may be used."""
    return {THIRD_PARTIES[name] for name in requirements if name in THIRD_PARTIES}


def is_refused_method(name: str) -> bool:
    """Whether an attribute or a method of whatever object can run, load or write what a config has no need to."""
    return name in METHODS_REFUSED or name.startswith(_METHOD_STARTS)


@cache
def problem_with_name(name: str, packages: frozenset[str] = frozenset()) -> str | None:
    """Why a dotted name may not be used, None if it may.

    What the name stands for is looked up in the installed packages, never in a bundle, since one module can be reached
    through another: ``monai.data.utils.os.system``.

    Args:
        name: such as ``monai.networks.nets.UNet``.
        packages: whose names may be used beside :data:`PACKAGES`.
    """
    parts = name.split(".")
    danger = f"{name} can run, load or write what a config has no need to"
    if not all(part.isidentifier() and part.isascii() for part in parts):
        return f"{name!r} is not a name"
    if any(part.startswith("_") for part in parts):
        return f"{name} is private"
    if _is_below(name, STANDARD):
        return danger if len(parts) > 1 and is_refused_method(parts[-1]) else None
    if len(parts) == 1:
        return f"{name} is a whole package" if name in PACKAGES | packages else f"{name} is not in the allow-list"
    if parts[0] not in PACKAGES | packages:
        return f"{name} is not in the allow-list"
    if parts[0] not in PARTS and importlib.util.find_spec(parts[0]) is None:
        return None  # code that the bundle carries, which is a finding of its own
    if _is_below(name, REFUSED) or parts[-1].startswith(REFUSED_STARTS):
        return danger
    try:
        found, method = _look_up(parts)
    except (ImportError, AttributeError, ValueError) as error:
        return f"{name} is not there in the installed packages ({error})"
    if isinstance(found, ModuleType):
        return f"{name} is a whole module"
    if method and is_refused_method(parts[-1]):
        return danger
    return None if _is_of_allowed_part(found, parts) else f"{name} is not in the allow-list"


def _look_up(parts: list[str]) -> tuple[Any, bool]:
    """What a name stands for, or the class of which it names a method and True."""
    found: Any = importlib.import_module(parts[0])
    for number, part in enumerate(parts[1:], 2):
        if isinstance(found, type):
            getattr(found, part)
            return found, True
        if isinstance(found, ModuleType) and not hasattr(found, part):
            if found.__name__.split(".")[0] != parts[0]:
                raise ValueError(f"{found.__name__} is another package")
            importlib.import_module(".".join(parts[:number]))
        found = getattr(found, part)
    return found, False


def _is_of_allowed_part(found: Any, parts: list[str]) -> bool:
    top = parts[0]
    module = getattr(found, "__module__", None) or ""
    if len(parts) == 2 and top in ("torch", "numpy"):  # torch.stack, torch.float32, numpy.pi
        return not module or module.split(".")[0] in ("torch", "numpy", "builtins")
    where = f"{module}.{getattr(found, '__qualname__', parts[-1])}" if module else ".".join(parts)
    if where.split(".")[0] != top:
        return False
    return top not in PARTS or _is_below(where.partition(".")[2], PARTS[top])


def _is_below(name: str, prefixes: Iterable[str]) -> bool:
    return any(name == one or name.startswith(f"{one}.") for one in prefixes)


def is_standard(name: str) -> bool:
    """Whether a package is of the standard library."""
    return name in sys.stdlib_module_names
