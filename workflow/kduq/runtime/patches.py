"""Patches of Snakemake: every place where the workflow touches parts without documentation.

Each patch names the fault, where it is reported, and the versions for which it was written. With
any other version it does nothing, so that a change upstream cannot be met by a wrong repair. The
functions at the end change nothing: they read what has no documented name.
"""

from importlib.metadata import version
from typing import Any

#: Versions of Snakemake that the patches were written for: from the first to before the second.
VERSIONS = ((9, 14), (10, 0))


def _applies() -> bool:
    """Whether the installed Snakemake is one that the patches were written for."""
    major, minor = map(int, version("snakemake").split(".")[:2])
    return VERSIONS[0] <= (major, minor) < VERSIONS[1]


def stop_repeated_scheduling(workflow: Any) -> None:
    """Patch of the scheduler, which looks for jobs ever more often.

    Under its default limit of 100 jobs per second the scheduler starts a timer after each look at
    the ready jobs, and the timer causes a further look. After N jobs it looks N times per second
    and keeps a core busy. No profile setting remedies it: every value of ``max-jobs-per-timespan``
    starts such timers, and with a longer time span Snakemake waits for the last timer before it
    ends. A limit that the user has set is kept.

    Upstream: https://github.com/snakemake/snakemake/pull/3744 (open as of 2026-11) describes the
    repeated looks.

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
    """Patch of rules, which Snakemake refuses to share between workflows if they have a benchmark.

    An output that is taken from the cache takes no time, so Snakemake stops with an error. Without
    ``--cache`` the same rules keep their benchmarks.

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
