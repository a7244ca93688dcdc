"""Shared fixtures of the tests on real scans."""

from __future__ import annotations

from pathlib import Path

from monai.bundle import ConfigWorkflow


def infer(bundle: Path, **options: object) -> None:
    """Run the inference of the bundle in the folder ``bundle``, as a user's command line would."""
    configs = bundle / "configs"
    workflow = ConfigWorkflow(
        config_file=str(configs / "inference.json"),
        meta_file=str(configs / "metadata.json"),
        logging_file=str(configs / "logging.conf"),
        workflow_type="infer",
        bundle_root=str(bundle),
        **options,
    )
    workflow.initialize()
    workflow.run()
