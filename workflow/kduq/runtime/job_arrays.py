"""Slurm's job arrays: each task looks after its own output and names its log, none is forgotten.

With ``--slurm-array-jobs`` version 2.8 of Snakemake's executor plugin for Slurm

- starts each task of an array as the array's *first* job, which then calls the task's own. Around
  it Snakemake waits for the first job's output, and deletes that when the task fails;
- names a task's log one folder deeper than Slurm writes it;
- drops jobs that are ready together if a limit leaves more of them for later than it admits.
"""

import base64
import json
import os
import sys
import zlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from importlib.metadata import version
from typing import Any

from kduq.errors import UserError

#: Tasks of an array at most: the commands of all must fit into one argument of 128 KiB, else the
#: plugin submits a script in which they are lost.
MOST = 50
#: Option in which a task of an array is given the commands of all tasks but the first.
OPTION = "--slurm-jobstep-array-execs"


def own_command(arguments: Sequence[str], environment: Mapping[str, str]) -> str | None:
    """Shell command of the task of a job array that this process was started for.

    Parameters
    ----------
    arguments : sequence of str
        The process's command line.
    environment : mapping of str to str
        Its environment, with Slurm's variables.

    Returns
    -------
    str or None
        None for an array's first task, which this process is, and outside arrays.
    """
    given = [argument for argument in arguments if argument.startswith(f"{OPTION}=")]
    task = environment.get("SLURM_ARRAY_TASK_ID")
    if not given or task is None or task == environment.get("SLURM_ARRAY_TASK_MIN"):
        return None
    commands = json.loads(base64.b64decode(given[0].partition("=")[2]))
    return zlib.decompress(bytes.fromhex(commands[task])).decode()


def become_own_task() -> None:
    """Turn this process into the one that runs its task's own job, if it is another's."""
    command = own_command(sys.argv, os.environ)
    if command is not None:
        sys.stdout.flush()
        sys.stderr.flush()
        os.execv("/bin/sh", ["sh", "-c", command])  # noqa: S606


def mend_log_paths(executor: Any) -> None:
    """Have an executor report, and clean up, the log that Slurm writes for a task.

    Parameters
    ----------
    executor : snakemake_executor_plugin_slurm.Executor
        The executor of a run that is about to start.
    """
    if not version("snakemake-executor-plugin-slurm").startswith("2.8."):
        return
    report = executor._report_job_submission_threadsafe

    def report_with_log(job_info: Any) -> None:
        if "_" in job_info.external_jobid:
            log = job_info.aux["slurm_logfile"]
            job_info.aux["slurm_logfile"] = log.parents[1] / log.name
        report(job_info)

    executor._report_job_submission_threadsafe = report_with_log


def check_limits(limits: Mapping[str, Any], tasks: int, as_script: bool) -> None:
    """Refuse settings under which jobs of an array would be forgotten, or mistaken for the first.

    Parameters
    ----------
    limits : mapping of str to object
        Values by option of Snakemake; None, and the largest number, where it does not limit.
    tasks : int
        Option slurm-array-limit.
    as_script : bool
        Option slurm-pass-command-as-script.

    Raises
    ------
    UserError
        If one limits, or the commands of tasks would not reach them.
    """
    if tasks > MOST:
        raise UserError(
            f"slurm-array-limit: found {tasks}; the commands of so many tasks do not fit into one "
            f"argument; allowed are at most {MOST}"
        )
    if as_script:
        raise UserError(
            "slurm-array-jobs with slurm-pass-command-as-script: tasks would not get their "
            "commands; leave one of the two out"
        )
    found = {option: value for option, value in limits.items() if value not in (None, sys.maxsize)}
    if found:
        named = ", ".join(f"{option} {value}" for option, value in found.items())
        raise UserError(
            f"slurm-array-jobs with {named}: jobs that a limit leaves for later would never be "
            "submitted; allowed with job arrays: jobs unlimited, and no other limit. Mend the "
            "profile, or switch job arrays off: --slurm-array-jobs ''"
        )


def check_rules(named: str, rules: Collection[str]) -> None:
    """Refuse names of rules that are none, whose jobs would be submitted one by one.

    Parameters
    ----------
    named : str
        Option slurm-array-jobs: names between commas, or all.
    rules : collection of str
        The workflow's.

    Raises
    ------
    UserError
        If one is no rule.
    """
    names = [name.strip() for name in named.replace(";", ",").split(",")]
    for name in names:
        if name and name not in {*rules, "all"}:
            raise UserError(
                f"slurm-array-jobs: found '{name}'; allowed: rules ({', '.join(sorted(rules))}) or "
                "all"
            )


def check_paths(paths: Iterable[str]) -> None:
    """Refuse paths that the shell which submits an array would read as something else.

    Parameters
    ----------
    paths : iterable of str
        That a task's command names.

    Raises
    ------
    UserError
        If one has a character with a meaning between double quotes.
    """
    for path in paths:
        for character in "'\"$`\\":
            if character in path:
                raise UserError(
                    f"{path}: with slurm-array-jobs no path may have a {character} in it; move it, "
                    "or switch job arrays off: --slurm-array-jobs ''"
                )
