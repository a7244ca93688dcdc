"""What a translation costs: parameters, operations and memory, counted in one call of a method."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from brain_bundles.evaluation.translation_cells import Cell
from brain_bundles.evaluation.translation_method import AnyMethod, NetworkMethod, calls_for
from brain_bundles.evaluation.translation_subject import Subject


@dataclass(frozen=True)
class Costs:
    """Costs of one translated volume.

    Attributes:
        parameters: numbers in the networks of the method, over all pairs of contrasts that it has networks for.
        operations: additions and multiplications of convolutions and matrix products, by PyTorch's counter. It does not
            know every operation of every device: attention on a CPU may be left out.
        memory: bytes of the weights that the call uses, and of the tensors that are alive at once in it, at most.
    """

    parameters: int
    operations: int
    memory: int


class PeakMemory(TorchDispatchMode):
    """Largest number of bytes of tensors that are alive at once, of those that are made in this context.

    It counts what PyTorch holds, the same on every device, and not what a library takes for itself within an operation.

    Attributes:
        peak: that number so far.
    """

    def __init__(self) -> None:
        super().__init__()
        self.peak, self._alive = 0, 0
        self._known: set[int] = set()

    def __torch_dispatch__(
        self, func: Callable, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        known_before = {_address(tensor) for tensor in _tensors((args, kwargs))}
        result = func(*args, **(kwargs or {}))
        for tensor in _tensors(result):
            if _address(tensor) not in known_before:
                self._add(tensor.untyped_storage())
        return result

    def _add(self, storage: torch.UntypedStorage) -> None:
        address, size = storage.data_ptr(), storage.nbytes()
        if address in self._known or size == 0:
            return
        self._known.add(address)
        self._alive += size
        self.peak = max(self.peak, self._alive)
        weakref.finalize(storage, self._remove, address, size)

    def _remove(self, address: int, size: int) -> None:
        self._known.discard(address)
        self._alive -= size


def measure_costs(subject: Subject, cells: Sequence[Cell], methods: Mapping[str, AnyMethod]) -> dict[str, Costs]:
    """Measure the methods with networks, each on the first cell whose contrasts the subject has and that it makes.

    Args:
        subject: its volumes are translated.
        cells: (source, target).
        methods: see :func:`~brain_bundles.evaluation.compare_translations`.

    Returns:
        costs by the name of the method; other methods, and those without such a cell, are left out.
    """
    found = {}
    for name, method in methods.items():
        makers = list(method.values()) if isinstance(method, Mapping) else [method]
        there = [(source, target) for source, target in cells if {source, target} <= subject.volumes.keys()]
        calls = [(one, source, made) for source, target in there for one, made in calls_for(method, source, [target])]
        if not calls or not all(isinstance(one, NetworkMethod) for one in makers):
            continue
        one, source, made = calls[0]
        with torch.no_grad(), FlopCounterMode(display=False) as counter, PeakMemory() as memory:
            one(subject.volumes[source][None, None], targets=made, seeds=[0])
        found[name] = Costs(
            parameters=sum(value.numel() for value in _parameters(makers)),
            operations=counter.get_total_flops(),
            memory=memory.peak + sum(value.numel() * value.element_size() for value in _parameters([one])),
        )
    return found


def _parameters(methods: Iterable[Any]) -> list[nn.Parameter]:
    """Parameters of the networks of some methods, each once."""
    modules = [module for method in methods for module in method.modules]
    return list({id(value): value for module in modules for value in module.parameters()}.values())


def _tensors(tree: Any) -> list[torch.Tensor]:
    return [leaf for leaf in tree_leaves(tree) if isinstance(leaf, torch.Tensor)]


def _address(tensor: torch.Tensor) -> int:
    return tensor.untyped_storage().data_ptr()
