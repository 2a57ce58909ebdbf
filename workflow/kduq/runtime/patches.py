"""Patches of Snakemake: every use of its undocumented parts.

Each patch names the fault and where it is reported. With versions other than `VERSIONS` it does
nothing, since it might not fit a changed Snakemake. The functions at the end change nothing: they
read attributes that are not documented.
"""

import shlex
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from snakemake.exceptions import CliException

from kduq.errors import UserError
from kduq.runtime.fork_server import ForkedJob

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


def quote_interpreter() -> None:
    """Patch of the commands of jobs and scripts, in which the path of Python is not quoted.

    If Python is in a folder with a space, such as the environment that lies in a checkout, the
    shell takes the first word of the path for the command, and every job fails.

    Upstream: not reported as of 2026-11.
    """
    if not _applies() or shlex.quote(sys.executable) == sys.executable:
        return
    from snakemake.executors import local  # noqa: PLC0415 (slow, and seldom needed)
    from snakemake.script import PythonScript  # noqa: PLC0415
    from snakemake_interface_executor_plugins.executors import remote  # noqa: PLC0415

    for executor in (local.Executor, remote.RemoteExecutor):
        executor.get_python_executable = _quoted_result(executor.get_python_executable)
    execute = PythonScript._execute_cmd

    def execute_quoted(script: Any, command: str, **values: Any) -> Any:
        if values.get("py_exec") == sys.executable:
            values["py_exec"] = shlex.quote(sys.executable)
        return execute(script, command, **values)

    PythonScript._execute_cmd = execute_quoted


def _quoted_result(function: Callable[[Any], str]) -> Callable[[Any], str]:
    """The same method, whose result is one word of a shell's command."""

    def quoted(executor: Any) -> str:
        word = function(executor)
        return shlex.quote(word) if word == sys.executable else word

    return quoted


def fork_scripts(fork: Callable[[str, Mapping[str, str]], ForkedJob | None]) -> None:
    """Patch of scripts in Python, each of which Snakemake starts as a process that imports anew.

    A script that needs nothing but this environment and one thread is a fork instead. Its benchmark
    is measured as Snakemake measures that of a process that it has started.

    Upstream: not reported as of 2026-11.

    Parameters
    ----------
    fork : callable
        Called with the path of a script and environment variables; None where the script should be
        started as ever.
    """
    if not _applies():
        return
    from snakemake.benchmark import benchmarked  # noqa: PLC0415 (slow, and seldom needed)
    from snakemake.script import PythonScript  # noqa: PLC0415

    execute = PythonScript._execute_cmd

    def execute_forked(script: Any, command: str, **values: Any) -> Any:
        resources = script.resources
        special = (
            *(script.conda_env, script.container_img, script.env_modules, script.shadow_dir),
            resources.get("shell_exec"),
        )
        own = values.get("is_python_script") and values.get("py_exec") == sys.executable
        job = None
        if own and script.threads == 1 and not any(special):
            folder = resources.get("tmpdir")
            names = ("TMPDIR", "TMP", "TEMPDIR", "TEMP") if folder else ()
            job = fork(values["fname"], dict.fromkeys(names, str(folder)))
        if job is None:
            return execute(script, command, **values)
        # Without a number nothing is measured.
        record = script.bench_record
        with benchmarked(job.pid if record is not None else False, record):
            status = job.wait()
        job.release()
        if status:
            raise subprocess.CalledProcessError(status, f"{sys.executable} {values['fname']}")
        return None

    PythonScript._execute_cmd = execute_forked


def before_planning(
    workflow: Any, check: Callable[[Iterable[str]], None], check_folder: Callable[[], None]
) -> None:
    """Patch of the planning: call a function with the requested rules and files before it.

    Snakemake reads the Snakefile before it sets the targets, and names no similar target when it
    finds that one is missing.

    Upstream: not reported as of 2026-11.

    Parameters
    ----------
    workflow : snakemake.workflow.Workflow
        The workflow.
    check : callable
        Called with the names; its `UserError` ends Snakemake with one line.
    check_folder : callable
        The same without arguments.
    """
    if not _applies():
        return
    prepare = workflow._prepare_dag

    def prepare_checked(*arguments: Any, **options: Any) -> Any:
        asked = workflow.dag_settings
        try:
            check_folder()
            check(
                name
                for names in (asked.targets, asked.forcerun, asked.until, asked.omit_from)
                for name in names
            )
        except UserError as error:
            # Of all exceptions Snakemake shows this one in a line, without a traceback.
            raise CliException(str(error)) from None
        return prepare(*arguments, **options)

    workflow._prepare_dag = prepare_checked


def planned_datasets(workflow: Any) -> list[str | None]:
    """For each job that is to run, the data set or corpus that it names, None if it names none."""
    return [job.wildcards_dict.get("dataset") for job in workflow.dag.needrun_jobs()]


def runs_here(workflow: Any) -> bool:
    """Whether the jobs of this process run, and on this machine."""
    return bool(workflow.local_exec and not workflow.touch)


def shares_outputs(workflow: Any) -> bool:
    """Whether outputs are shared between workflows (``--cache``)."""
    return workflow.workflow_settings.cache is not None


def module_name(workflow: Any) -> str | None:
    """Name under which another workflow uses this one as a module; None if none does."""
    modifier = workflow.modifier
    return None if modifier.is_main_snakefile() else str(modifier.namespace)


def has_prefix(workflow: Any) -> bool:
    """Whether another workflow that uses this one as a module changes its paths."""
    paths = workflow.modifier.path_modifier
    return bool(paths.prefix or paths._prefix_replacements)


def config_files(workflow: Any) -> list[Path]:
    """The configuration files of a run in YAML: config.yaml, and those of ``--configfile``."""
    here = Path.cwd()
    paths = [Path(path) for path in workflow.config_settings.configfiles or ()]
    paths = [path.relative_to(here) if path.is_relative_to(here) else path for path in paths]
    given = [path for path in paths if path.suffix in (".yaml", ".yml")]
    return [path for path in dict.fromkeys((Path("config.yaml"), *given)) if path.is_file()]


def command_line_config(workflow: Any) -> Mapping[str, Any]:
    """Settings of the option ``--config``, in which nested values are text."""
    return workflow.config_settings.config or {}


def is_job(workflow: Any) -> bool:
    """Whether this process is a job of a run that another process started."""
    return not workflow.is_main_process
