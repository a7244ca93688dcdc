"""The command line, ``python -m brain_bundles``."""

from brain_bundles.cli.arguments import UsageError, number, whole
from brain_bundles.cli.command_line import check_flags, main

__all__ = ["UsageError", "check_flags", "main", "number", "whole"]
