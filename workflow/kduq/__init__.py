"""What happens to uncertainty when a model is distilled: the library behind the workflow.

The packages follow the road ``examples -> teacher -> responses -> students -> estimates -> claims
-> figures -> report``. Only `kduq.runtime` knows Snakemake. Results are read with `open_study`.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kduq.reading import open_study

__version__ = "0.2.0"
__all__ = ["__version__", "open_study"]


def __getattr__(name: str) -> Any:
    if name == "open_study":
        # Imported on first use: it imports pandas and pyarrow.
        from kduq.reading import open_study  # noqa: PLC0415

        return open_study
    raise AttributeError(f"module 'kduq' has no attribute '{name}'")
