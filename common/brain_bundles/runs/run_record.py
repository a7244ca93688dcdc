"""Record of a run, run.json: its settings, one row per image, and its starts."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from brain_bundles.data.problems import DatasetError
from brain_bundles.utils.atomic import write_json
from brain_bundles.utils.distributed import is_main_process
from brain_bundles.utils.natural_order import natural_order
from brain_bundles.version import __version__

RUN_FILE = "run.json"


class RunRecord:
    """The file run.json in the output folder of a run. It tells a later start whether the folder is its own.

    Args:
        output_dir: the folder.
        settings: settings that the images depend on. A later start must have the same.
        conditions: one row per image. Rows of one participant differ in ``file``.
        provenance: facts that may differ between starts. Under ``starts`` the file has them once per start, with the
            ``seconds`` that the start took, null if it was stopped. None records none.
        extendable: a later start may add rows, and need not repeat the earlier ones.

    Attributes:
        settings: the settings, as they will be read back from JSON.
        conditions: the rows of this start, as they will be read back.
        provenance: the given one with ``seconds``, or None.
    """

    def __init__(
        self,
        output_dir: str | os.PathLike[str],
        settings: Mapping[str, Any],
        conditions: Sequence[Mapping[str, Any]],
        *,
        provenance: Mapping[str, Any] | None = None,
        extendable: bool = False,
    ) -> None:
        self.output_dir = Path(output_dir)
        self.path = self.output_dir / RUN_FILE
        self.settings, self.conditions = json.loads(json.dumps([dict(settings), list(conditions)], default=str))
        self.provenance: dict[str, Any] | None = None if provenance is None else {**provenance, "seconds": None}
        self.extendable = extendable
        self._began, self._announced = time.monotonic(), provenance is None

    def read(self) -> list[dict[str, Any]] | None:
        """Read the rows of the earlier starts; None if there is no file.

        Raises:
            DatasetError: if the file cannot be read, or has other settings or conditions than this start.
        """
        if not self.path.is_file():
            return None
        try:
            there = json.loads(self.path.read_text(encoding="utf-8"))
            settings, rows = {**there["settings"], "version": there["version"]}, list(there["conditions"])
        except (ValueError, KeyError, TypeError) as error:
            raise DatasetError(
                self.path, [("unreadable", f"{error!r}; give another output_dir, or empty this one")]
            ) from None
        problems = [*self._other_settings(settings), *self._other_conditions(rows)]
        if problems:
            what = "give another output_dir, or give the settings of that run to continue it"
            raise DatasetError(self.output_dir, [*problems, ("the folder belongs to another run", what)])
        return rows

    def update(self, before: Sequence[dict[str, Any]] | None) -> list[dict[str, Any]]:
        """Write the file unless it has the rows and the start already; return the rows, earlier ones included.

        Of several first starts at once one creates the file, and the others continue it or are refused.

        Args:
            before: rows of the earlier starts, see :meth:`read`.

        Raises:
            DatasetError: if another start has created the file meanwhile, see :meth:`read`.
        """
        if before is None:
            try:
                return self._write(self._merged(None), exclusive=True)
            except FileExistsError:  # another start was faster: this one continues it, or is refused
                before = self.read()
        conditions = self._merged(before)
        announces = not self._announced and is_main_process()
        if before is None or len(conditions) > len(before) or announces:
            self._write(conditions)
        return conditions

    def finish(self) -> None:
        """Note how long this start took, in the main process, and add this start's rows if another wrote over them."""
        if not is_main_process():
            return
        if self.provenance is not None:
            self.provenance["seconds"] = round(time.monotonic() - self._began, 1)
        before = self.read()
        rows = self._merged(before)
        if self.provenance is not None or rows != before:
            self._write(rows)

    def _merged(self, before: Sequence[dict[str, Any]] | None) -> list[dict[str, Any]]:
        """All rows, those of this start and of earlier ones; where rows may be added, in the order of their names.

        So the file does not depend on how several starts shared the work.
        """
        before = list(before or [])
        ours = {_key(row) for row in self.conditions}
        if not ours <= {_key(row) for row in before}:
            before = [*self.conditions, *(row for row in before if _key(row) not in ours)]
        return (
            sorted(before, key=lambda row: [natural_order(str(part)) for part in _key(row)])
            if self.extendable
            else before
        )

    def _write(self, conditions: list[dict[str, Any]], *, exclusive: bool = False) -> list[dict[str, Any]]:
        """Write the file and, in the main process, this start in place of its earlier entry; return the rows."""
        starts = (
            json.loads(self.path.read_text(encoding="utf-8")).get("starts", [])
            if self.path.is_file() and not exclusive
            else []
        )
        if self.provenance is not None and is_main_process():
            starts = [one for one in starts if one.get("started") != self.provenance.get("started")] + [self.provenance]
        beside = {"starts": starts} if starts else {}
        content = {"version": __version__, "settings": self.settings, **beside, "conditions": conditions}
        write_json(self.path, content, exclusive=exclusive)
        self._announced = True
        return conditions

    def _other_settings(self, there: Mapping[str, Any]) -> list[tuple[str, str]]:
        now = {**self.settings, "version": __version__}
        return [
            ("another setting", f"{key}: {there.get(key, 'not set')} there, {now.get(key, 'not set')} now")
            for key in sorted({*there, *now})
            if there.get(key) != now.get(key)
        ]

    def _other_conditions(self, there: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
        problems = []
        pairs = list(zip(there, self.conditions, strict=False))
        if self.extendable:
            same = {_key(row): row for row in there}
            pairs = [(same[_key(row)], row) for row in self.conditions if _key(row) in same]
        elif len(there) != len(self.conditions):
            problems.append(("other conditions", f"{len(there)} rows there, {len(self.conditions)} now"))
        for a, b in pairs:
            cells = [f"{key} {a.get(key)} there, {b.get(key)} now" for key in b if a.get(key) != b[key]]
            if cells:
                name = b.get("file", b.get("participant_id"))
                problems.append(("other conditions", f"{name}: {'; '.join(cells)}"))
        return problems


def _key(row: Mapping[str, Any]) -> tuple[Any, Any]:
    """Key of a row in one run: the participant and, where participants have several images, the file."""
    return row.get("participant_id"), row.get("file")
