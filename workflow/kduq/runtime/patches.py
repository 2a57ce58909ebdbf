"""Patches of Snakemake: every use of its undocumented parts.

Each patch names the fault and where it is reported. With versions other than `VERSIONS` it does
nothing, since it might not fit a changed Snakemake. The functions at the end change nothing: they
read attributes that are not documented.
"""

from importlib.metadata import version
from typing import Any

#: Versions of Snakemake for which the patches were written: from the first to before the second.
VERSIONS = ((9, 14), (10, 0))


def _applies() -> bool:
    """Whether the patches were written for the installed version of Snakemake."""
    major, minor = map(int, version("snakemake").split(".")[:2])
    return VERSIONS[0] <= (major, minor) < VERSIONS[1]


def stop_repeated_scheduling(workflow: Any) -> None:
    """Patch of the scheduler, which evaluates the ready jobs more and more often.

    Under its default limit of 100 jobs per second the scheduler starts a timer after each
    evaluation of the ready jobs, and the timer causes another evaluation. After N jobs it evaluates
    them N times per second and keeps a core busy. No profile setting helps: every value of
    ``max-jobs-per-timespan`` starts such timers, and with a longer time span Snakemake waits for
    the last timer before it ends. A limit that the user has set is not changed.

    Upstream: https://github.com/snakemake/snakemake/pull/3744 (open as of 2026-11) describes the
    repeated evaluations.

    Parameters
    ----------
    workflow : snakemake.workflow.Workflow
        The workflow, in its ``onstart`` handler, when the scheduler exists.
    """
    if not _applies():
        return
    limiter = workflow.scheduler.job_rate_limiter
    if limiter is not None and (limiter.max_jobs, limiter.timespan) == (100, 1):
        workflow.scheduler.job_rate_limiter = None


def drop_benchmarks_of_cached_rules(workflow: Any) -> None:
    """Patch of rules with a benchmark, whose outputs Snakemake refuses to share between workflows.

    An output from the cache has no benchmark, so Snakemake stops with an error. Without ``--cache``
    the same rules keep their benchmarks.

    Upstream: https://github.com/snakemake/snakemake/issues/2238 (open as of 2026-11) and
    https://github.com/snakemake/snakemake/pull/2335, which made it an error.

    Parameters
    ----------
    workflow : snakemake.workflow.Workflow
        The workflow, after its last rule.
    """
    if not _applies() or not shares_outputs(workflow):
        return
    for rule in workflow.rules:
        if rule.cache.output:
            rule._benchmark = None


def shares_outputs(workflow: Any) -> bool:
    """Whether outputs are shared between workflows (``--cache``)."""
    return workflow.workflow_settings.cache is not None


def is_job(workflow: Any) -> bool:
    """Whether this process is a job of a run that another process started."""
    return not workflow.is_main_process
