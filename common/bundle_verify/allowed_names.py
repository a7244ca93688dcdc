"""Names that a config may use."""

from __future__ import annotations

import builtins
import importlib
import importlib.util
import math
import os.path
import sys
from collections.abc import Iterable
from functools import cache
from types import ModuleType
from typing import Any


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Package -> modules in which a class or function must be defined to be allowed. Names directly below torch and numpy
# are allowed too.
PARTS = {
    "monai": _words(
        """
    data engines handlers inferers losses metrics networks optimizers transforms visualize utils.enums
    utils.misc.set_determinism utils.misc.first utils.misc.ensure_tuple utils.misc.ensure_tuple_rep
    """
    ),
    "torch": _words(
        """
    amp backends cuda fft linalg nn optim random special distributed.is_available
    distributed.distributed_c10d.init_process_group distributed.distributed_c10d.destroy_process_group
    distributed.distributed_c10d.is_initialized distributed.distributed_c10d.get_rank
    distributed.distributed_c10d.get_world_size distributed.distributed_c10d.barrier
    utils.data.dataloader utils.data.dataset utils.data.distributed utils.data.sampler utils.data._utils.collate
    """
    ),
    "numpy": _words("fft linalg random"),
    "ignite": _words(
        """
    engine handlers metrics distributed.auto distributed.utils.barrier distributed.utils.device
    distributed.utils.get_local_rank distributed.utils.get_rank distributed.utils.get_world_size
    """
    ),
    "nibabel": _words("loadsave"),
    "einops": _words("einops layers"),
    "pytorch_optimizer": _words("optimizer"),
    "brain_bundles": _words(
        """
    data engines evaluation handlers inferers losses metrics networks phantom runs schedulers transforms utils
    visualize
    """
    ),
}
PACKAGES = frozenset({"monai", "torch", "numpy", "ignite"})
# Third parties whose names may be used if metadata.json requires them: distribution -> package.
THIRD_PARTIES = {name: name for name in ("nibabel", "einops", "pytorch_optimizer")}
# Names of the standard library that configs use and that are harmless by themselves.
STANDARD = _words(
    """
    operator.lt operator.gt operator.le operator.ge operator.eq operator.ne operator.itemgetter itertools.chain
    functools.partial functools.reduce copy.copy copy.deepcopy glob.glob json.loads os.cpu_count
    datetime.datetime.now sys.stdout.isatty sys.stderr.isatty
    """
)
# Modules whose own names are all allowed, but not the modules that they import (os.path.os).
STANDARD_WHOLE = {"math": math, "os.path": os.path}
STANDARD_MODULES = frozenset({name.split(".")[0] for name in {*STANDARD, *STANDARD_WHOLE}})
# Classes that look up the name in an argument and call it -> the argument, and how many may be positional.
LOOKING_UP = {
    "monai.data.image_dataset.ImageDataset": ("reader", 1),
    "monai.inferers.inferer.PatchInferer": ("merger_cls", 1),
    "monai.transforms.io.array.LoadImage": ("reader", 0),
    "monai.transforms.io.array.SaveImage": ("writer", 1),
    "monai.transforms.io.dictionary.LoadImaged": ("reader", 1),
    "monai.transforms.io.dictionary.SaveImaged": ("writer", 1),
}
_LOOKED_UP = frozenset(argument for argument, _ in LOOKING_UP.values())
# Beginnings of names that load, fetch or write more than a config needs.
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
    numpy.savez numpy.savez_compressed numpy.test torch.PyTorchFileReader torch.PyTorchFileWriter torch.ScriptModule
    torch.compile torch.from_file torch.get_device_module torch.import_ir_module torch.import_ir_module_from_buffer
    torch.load torch.save
    """
)
BUILTINS = _words(
    """
    abs all any bool dict enumerate filter float frozenset hash int isinstance iter len list map max min next pow print
    range reversed round set slice sorted str sum tuple zip
    """
)
ALL_BUILTINS = frozenset(dir(builtins))
# Methods of any object that write, delete, load or run.
METHODS_REFUSED = _words(
    """
    chmod check_output dictConfig dump extract extractall fileConfig fork hardlink_to kill link_to load load_library
    loads mkdir modules open popen Popen read_bytes read_text register_class rename rmdir rmtree save savetxt symlink_to
    system to_csv to_pickle tofile touch truncate unlink write write_bytes write_text writelines
    """
)
# Modules that some objects have as attributes.
_MODULES = _words(
    """
    builtins ctypes importlib inspect io logging monai multiprocessing os pathlib pickle reducer runpy shutil socket
    subprocess sys tempfile torch warnings zipfile
    """
)
_METHOD_STARTS = ("spawn", "exec", "posix_spawn", "_")


def third_parties(requirements: Iterable[str]) -> set[str]:
    """Third-party packages in ``required_packages_version`` whose names may be used."""
    return {THIRD_PARTIES[name] for name in requirements if name in THIRD_PARTIES}


def is_refused_method(name: str) -> bool:
    """Return True if an attribute or method of any object can run, load or write more than a config needs."""
    return name in METHODS_REFUSED or name in _MODULES or name.startswith(_METHOD_STARTS)


@cache
def problem_with_name(name: str, packages: frozenset[str] = frozenset()) -> str | None:
    """Problem with a dotted name, None if it may be used.

    The name is looked up in the installed packages, never in a bundle, because one module can be reached through
    another: ``monai.data.utils.os.system``.

    Args:
        name: dotted name, such as ``monai.networks.nets.UNet``.
        packages: further packages whose names may be used, beside :data:`PACKAGES`.
    """
    parts = name.split(".")
    danger = f"{name} can run, load or write more than a config needs"
    if not all(part.isidentifier() and part.isascii() for part in parts):
        return f"{name!r} is not a name"
    if any(part.startswith("_") for part in parts):
        return f"{name} is private"
    if name in STANDARD or _is_own(name):
        return None
    if len(parts) == 1:
        return f"{name} is a whole package" if name in PACKAGES | packages else f"{name} is not in the allow-list"
    if parts[0] not in PACKAGES | packages:
        return f"{name} is not in the allow-list"
    if parts[0] not in PARTS and importlib.util.find_spec(parts[0]) is None:
        return None  # code that the bundle carries, which is a finding of its own
    if _is_below(name, REFUSED) or parts[-1].startswith(REFUSED_STARTS):
        return danger
    try:
        found, rest = _look_up(parts)
    except (ImportError, AttributeError) as error:
        return f"{name} does not exist in the installed packages ({error})"
    except ValueError as error:
        return f"{name} is not in the allow-list ({error})"
    if isinstance(found, ModuleType):
        return f"{name} is a whole module"
    if any(map(is_refused_method, rest)):
        return danger
    return None if _is_of_allowed_part(found, parts) else f"{name} is not in the allow-list"


@cache
def looked_up_argument(name: str) -> tuple[str, int] | None:
    """Entry of :data:`LOOKING_UP` for a dotted name, None if there is none."""
    try:
        found, rest = _look_up(name.split("."))
    except (ImportError, AttributeError, ValueError):
        return None
    where = f"{getattr(found, '__module__', '')}.{getattr(found, '__qualname__', '')}"
    return None if rest else LOOKING_UP.get(where)


def names_code(argument: str | None) -> bool:
    """Return True if MONAI may look up and call the value of an argument with this name."""
    return argument in _LOOKED_UP


def problem_with_looked_up(name: str, packages: frozenset[str] = frozenset()) -> str | None:
    """Problem with the name of a reader, writer or merger, None if it is allowed."""
    if not name.lower().endswith(("reader", "writer", "merger")):
        return f"{name} is not a reader, writer or merger"
    if "." in name:
        return problem_with_name(name, packages)
    known = {one.lower() for part in ("data", "inferers") for one in dir(importlib.import_module(f"monai.{part}"))}
    return None if name.lower() in known else f"{name} is not one of MONAI's"


def _is_own(name: str) -> bool:
    """Return True if a name is a function or constant directly below one of :data:`STANDARD_WHOLE`."""
    module, _, last = name.rpartition(".")
    found = getattr(STANDARD_WHOLE.get(module), last, None)
    if isinstance(found, (str, int, float)):
        return True
    return callable(found) and found.__module__ in ("math", "posix", "nt", "posixpath", "ntpath", "genericpath")


def _look_up(parts: list[str]) -> tuple[Any, list[str]]:
    """Look up a name: (object, []); for a member of a class: (class, parts after the class).

    Raises:
        ImportError: if the name does not exist.
        AttributeError: if the name does not exist.
        ValueError: if the name leads through another package.
    """
    found: Any = importlib.import_module(parts[0])
    for number, part in enumerate(parts[1:], 2):
        if isinstance(found, type):
            getattr(found, part)
            return found, parts[number - 1 :]
        owner = found.__name__ if isinstance(found, ModuleType) else type(found).__module__
        if not callable(found) and owner.split(".")[0] != parts[0]:
            raise ValueError(f"{owner} is another package")
        if isinstance(found, ModuleType) and not hasattr(found, part):
            importlib.import_module(".".join(parts[:number]))
        found = getattr(found, part)
    return found, []


def _is_of_allowed_part(found: Any, parts: list[str]) -> bool:
    top = parts[0]
    module = getattr(found, "__module__", None) or ""
    if type(found).__name__ == "pybind11_type":  # PyTorch's internals, such as torch.CompilationUnit
        return False
    if len(parts) == 2 and top in ("torch", "numpy"):  # torch.stack, torch.float32, numpy.pi
        return not module or module.split(".")[0] in ("torch", "numpy", "builtins")
    where = f"{module}.{getattr(found, '__qualname__', parts[-1])}" if module else ".".join(parts)
    if where.split(".")[0] != top:
        return False
    return top not in PARTS or _is_below(where.partition(".")[2], PARTS[top])


def _is_below(name: str, prefixes: Iterable[str]) -> bool:
    return any(name == one or name.startswith(f"{one}.") for one in prefixes)


def is_standard(name: str) -> bool:
    """Return True if a package belongs to the standard library."""
    return name in sys.stdlib_module_names
