"""Stage ``estimates``, the estimates of all runs in one table."""

from kduq import artifacts
from kduq.artifacts import schemas
from kduq.estimates.settings import GatherSettings as Settings
from kduq.stage import Inputs, Outputs

__all__ = ["Settings", "run"]


def run(settings: Settings, inputs: Inputs, outputs: Outputs) -> None:
    """Stack the estimates of all runs; see `kduq.stage.Stage`."""
    del settings
    tables = [artifacts.read(path, "estimates").table for path in inputs.paths["estimates"]]
    names = schemas.columns("estimates")
    outputs.write(
        "estimates",
        {name: [v for table in tables for v in table.column(name).to_pylist()] for name in names},
    )
