"""A bundle whose inference runs from Python as ``monai.bundle run`` runs it."""

from __future__ import annotations

import difflib
import json
import logging
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from ignite.engine import Engine, Events
from monai.bundle import ConfigParser, ConfigWorkflow
from monai.transforms import Compose

from brain_bundles.runs import RunOutput
from brain_bundles.utils import require_version
from brain_bundles.utils.failure import cause_of

Progress = Callable[[int, int], None]


class Bundle:
    """One bundle; :func:`brain_bundles.load` makes it.

    Nothing runs and no weights are read before a call. Every call runs ``configs/inference.json``, so that it takes
    every key of that file as an option and gives the images of the command line, byte for byte.

    Args:
        root: the bundle's folder.
        overlays: configs that go over it: names of files in ``configs``, with or without ``.json``, such as
            ``few_steps``, or paths of files of your own.
        device: where networks run, such as "cuda:0"; None for a GPU if there is one.
        **options: keys of the config for all calls, such as ``ckpt_dir`` or ``num_inference_steps``.

    Attributes:
        root: the bundle's folder.
        name: its name.
        metadata: contents of ``configs/metadata.json``.

    Raises:
        ValueError: for an option that is no key of the config, or an overlay that is no file of the bundle.
    """

    def __init__(
        self,
        root: str | os.PathLike[str],
        *,
        overlays: Sequence[str] = (),
        device: str | torch.device | None = None,
        **options: Any,
    ) -> None:
        self.root = Path(root)
        self.name = self.root.name
        configs = self.root / "configs"
        self.config_files = [str(configs / "inference.json"), *(str(self._overlay(name)) for name in overlays)]
        self.metadata: dict[str, Any] = json.loads((configs / "metadata.json").read_text(encoding="utf-8"))
        self._parser = ConfigParser(ConfigParser.load_config_files(self.config_files))
        self.options = dict(options)
        if device is not None:
            self.options["device"] = torch.device(device)
        self.check(self.options)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r}, version {self.metadata['version']}, {str(self.root)!r})"

    def _overlay(self, name: str) -> Path:
        path = self.root / "configs" / f"{name.removesuffix('.json')}.json"
        for found in (path, Path(name)):
            if found.is_file():
                return found
        near = difflib.get_close_matches(path.stem, [one.stem for one in path.parent.glob("*.json")], n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise ValueError(
            f"{self.name} has no config {path.name}{hint} An overlay is a file in {path.parent}, or a path."
        )

    @property
    def keys(self) -> list[str]:
        """Keys of the config: the options of every call."""
        return list(self._parser.get())

    def check(self, options: dict[str, Any]) -> None:
        """Raise ValueError for an option that is no key of the config: MONAI takes any without a word."""
        for key in options:
            parent = key.rpartition("::")[0]
            if key not in self._parser and not (parent and parent in self._parser):
                near = difflib.get_close_matches(key, self.keys, n=1)
                hint = f"; did you mean {near[0]}?" if near else ""
                raise ValueError(
                    f"{self.name} has no option {key!r}{hint} The keys of {self.config_files[-1]} are options."
                )

    def run(self, output_dir: str | os.PathLike[str], *, progress: Progress | None = None, **options: Any) -> RunOutput:
        """Run the bundle's inference into a folder, as ``monai.bundle run`` does.

        Args:
            output_dir: folder for the results; a run that was stopped goes on in its folder.
            progress: called with the number of finished batches and of all, first with 0.
            **options: keys of the config; they go before those of the constructor.

        Returns:
            the record of the folder: its ``rows`` and, by ``path``, the file of each.

        Raises:
            ValueError: for an option that is no key, and whatever the run raises, without MONAI's wrapping.
        """
        self.check(options)
        with _search_path_kept(), _quiet_workflow(), _unwrapped_errors():
            workflow = self._workflow({**options, "output_dir": os.fspath(output_dir)})
            workflow.initialize()
            try:
                if progress is not None:
                    _report(workflow.parser.get_parsed_content("evaluator"), progress)
                workflow.run()
            finally:
                workflow.finalize()
            output: RunOutput = workflow.parser.get_parsed_content("run_output")
        return output

    def content(self, *keys: str, **options: Any) -> list[Any]:
        """Objects of the config by their keys, such as ``network``, with its weights; nothing runs.

        Args:
            *keys: keys of ``configs/inference.json``.
            **options: keys of the config; they go before those of the constructor.

        Raises:
            ValueError: for an option that is no key, and whatever the objects raise, without MONAI's wrapping.
            RuntimeError: for a bundle of another release than this package.
        """
        self.check(options)
        require_version(self.metadata["version"])
        with _search_path_kept(), _quiet_workflow(), _unwrapped_errors():
            workflow = self._workflow(options)
            sys.path.insert(1, str(self.root))  # as the config's own first step
            return [workflow.parser.get_parsed_content(key) for key in keys]

    def transforms(self, **options: Any) -> tuple[Compose, Compose]:
        """Preprocessing and postprocessing of a run, for callers that run the network themselves.

        Args:
            **options: keys of the config, such as ``extract_brain``.

        Returns:
            two transforms of items: a path under ``image`` (of a generator: covariates by name) becomes the network's
            input, and the network's output under ``pred``, beside the preprocessed item, becomes the image.
        """
        before, after = self.content("preprocessing", "postprocessing", **options)
        return before if isinstance(before, Compose) else Compose([before]), after

    def _workflow(self, options: dict[str, Any]) -> ConfigWorkflow:
        return ConfigWorkflow(
            config_file=self.config_files,
            workflow_type="infer",
            logging_file=False,
            bundle_root=str(self.root),
            **{**self.options, **options},
        )


def _report(evaluator: Engine, progress: Progress) -> None:
    def report(engine: Engine) -> None:
        progress(engine.state.iteration, engine.state.epoch_length or 0)

    evaluator.add_event_handler(Events.STARTED, report)
    evaluator.add_event_handler(Events.ITERATION_COMPLETED, report)


@contextmanager
def _search_path_kept() -> Iterator[None]:
    """MONAI and the configs put a bundle's folder on ``sys.path`` at every run; here it is there for the run alone."""
    before = list(sys.path)
    try:
        yield
    finally:
        sys.path[:] = before


@contextmanager
def _quiet_workflow() -> Iterator[None]:
    """MONAI warns where a caller keeps the logging that a program has."""
    logger = logging.getLogger("monai.bundle.workflows")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


@contextmanager
def _unwrapped_errors() -> Iterator[None]:
    """Raise the cause of an error in place of MONAI's chain of one error for each component around it."""
    try:
        yield
    except Exception as error:
        cause = cause_of(error)
        if cause is error:
            raise
        raise cause from None
