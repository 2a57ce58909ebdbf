"""Which runs start their jobs as forks, and what is imported for these."""

import os
import sys
from collections.abc import Collection, Sequence

from kduq.runtime.fork_server import ForkServer

#: Least number of jobs for which the imports are worth their time.
LEAST = 10
#: Packages of nearly all jobs, and those of figures, the report and estimates.
_PACKAGES = (
    *("snakemake.script", "snakemake.logging", "snakemake.iocontainers"),
    *("numpy", "pyarrow.compute", "pyarrow.parquet", "pydantic", "threadpoolctl", "psutil", "tqdm"),
    *("pandas", "scipy.linalg", "scipy.optimize", "scipy.special", "scipy.stats", "jinja2"),
    *("matplotlib.pyplot", "matplotlib.backends.backend_agg", "matplotlib.backends.backend_svg"),
    "torch",
)
#: Packages of language models.
_TEXT_PACKAGES = (
    *("transformers.models.gpt2.modeling_gpt2", "transformers.models.bert.modeling_bert"),
    *("transformers.models.auto.modeling_auto", "transformers.models.auto.tokenization_auto"),
    *("transformers.generation.logits_process", "safetensors.numpy", "safetensors.torch"),
)


def start(datasets: Sequence[str | None], corpora: Collection[str]) -> ForkServer | None:
    """Start the process of whose forks the jobs of a run are, if that is worth it.

    Parameters
    ----------
    datasets : sequence of str or None
        For each job of the run, the data set or corpus that it names.
    corpora : collection of str
        The study's corpora.

    Returns
    -------
    ForkServer or None
        None for a run of few jobs, or where no process can be started. Forks are safe on Linux
        alone: libraries of other systems may have threads as soon as they are imported.
    """
    if sys.platform != "linux" or len(datasets) < LEAST or not hasattr(os, "pidfd_open"):
        return None
    packages = (*_PACKAGES, *(_TEXT_PACKAGES if set(datasets) & set(corpora) else ()))
    try:
        return ForkServer(packages)
    except OSError:
        return None
