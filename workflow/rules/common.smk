##### The study: checked configuration, its plan, and what every rule asks of the plan #####

import os
import re
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.logging import logger
from snakemake.utils import min_version

min_version("9.14")

# The library beside the Snakefile, whatever version of it is installed.
sys.path.insert(0, str(Path(workflow.basedir) / "workflow"))

from kduq.config import check
from kduq.data.downloads import FETCHED, cache, use_cache
from kduq.errors import UserError
from kduq.runtime import liveness, patches, snapshot
from kduq.runtime.script import share_library
from kduq.study import Study

share_library()

IS_JOB = patches.is_job(workflow)
# A job takes its settings from the snapshot of its run, not from config.yaml, which may have been
# edited since.
SNAPSHOT = snapshot.RunSnapshot.from_environment() if IS_JOB else None
if SNAPSHOT:
    try:
        # Before Snakemake removes an existing file that the job would write.
        liveness.ensure_current()
    except UserError as error:
        raise WorkflowError(str(error)) from None

try:
    CHECKED = check(SNAPSHOT.config if SNAPSHOT else config)
    use_cache(CHECKED.data_cache)
    STUDY = Study(CHECKED)
except UserError as error:
    raise WorkflowError(f"The configuration cannot be used:\n{error}") from None

if SNAPSHOT is None:
    SNAPSHOT = snapshot.RunSnapshot.from_study(config, STUDY)
    os.environ[snapshot.VARIABLE] = SNAPSHOT.text()
    os.environ[liveness.VARIABLE] = liveness.new_name()
LINEAGES = SNAPSHOT.lineages(STUDY)


# For executors whose jobs do not inherit the environment.
envvars:
    snapshot.VARIABLE,
    liveness.VARIABLE,


onstart:
    liveness.register(os.environ[liveness.VARIABLE])
    patches.stop_repeated_scheduling(workflow)


onsuccess:
    liveness.unregister(os.environ[liveness.VARIABLE])


onerror:
    liveness.unregister(os.environ[liveness.VARIABLE])


if STUDY.left_out and not IS_JOB:
    logger.warning(
        f"Left out, since not downloaded: {', '.join(STUDY.left_out)}. To have them: "
        f"'snakemake fetch' where there is a network, into {cache()} (key data_cache)."
    )

ROOT = f"results/{STUDY.config.study}"
RUN = f"{ROOT}/{{experiment}}/{{family}}/{{dataset}}"
ENVIRONMENT = "../../envs/kduq.yaml"


#: Whether outputs are shared between workflows (snakemake --cache, with SNAKEMAKE_OUTPUT_CACHE).
SHARED = patches.shares_outputs(workflow)


def any_of(names):
    """Return a pattern that matches the given names, or nothing if there are none."""
    return "|".join(map(re.escape, names)) or "(?!)"


#: Patterns of the names of corpora and of tables. Rules for text and rules for tables are told apart by
#: them, since their paths have the same form.
CORPORA = any_of(STUDY.corpora)
TABULAR_DATASETS = any_of(name for name in STUDY.datasets if name not in STUDY.corpora)


wildcard_constraints:
    experiment="|".join(STUDY.experiments) or "none",
    family="[^/]+",
    dataset="[^/]+",
    teacher="[^/]+",
    block=r"\d{6}-\d{6}",


#: Megabytes that any job needs: data sets that are downloaded are large.
MIN_MEM_MB = 4000 if set(FETCHED) & set(STUDY.datasets) else 0


def mem_mb_per_attempt(base):
    """Return a resource function: megabytes of a job, as much again at each further attempt."""

    def megabytes(wildcards, attempt):
        return max(base, MIN_MEM_MB) * attempt

    return megabytes


def runtime_per_attempt(base):
    """Return a resource function: minutes of a job, as much again at each further attempt."""

    def time(wildcards, attempt):
        return base * attempt

    return time


def planned(path):
    """Return the planned job of an output."""
    try:
        return STUDY.jobs[str(Path(path).relative_to(ROOT))]
    except (KeyError, ValueError):
        raise WorkflowError(
            f"{path}: the study '{STUDY.config.study}' has no such artifact"
        ) from None


def parameters(pattern):
    """Return the params function of a rule: settings and code of an output, as one text."""

    # Of the wildcards alone: Snakemake keeps no record of params that use other arguments.
    def text(wildcards):
        return SNAPSHOT.parameters(planned(pattern.format(**wildcards)), LINEAGES)

    return text


def made_from(pattern):
    """Return the input function of a rule: the artifacts that an output is made from, by role."""

    def inputs(wildcards):
        job = planned(pattern.format(**wildcards))
        return {role: [f"{ROOT}/{path}" for path in paths] for role, paths in job.inputs.items()}

    return inputs


def data_file(wildcards):
    """Return the user's file of a data set; nothing for one that is built in."""
    planned(f"{ROOT}/examples/{wildcards.dataset}.parquet")
    paths = STUDY.data_file(wildcards.dataset)
    for path in paths:
        if not Path(path).is_file():
            raise WorkflowError(
                f"{STUDY.key_of(wildcards.dataset)}.path: found {path!r}; there is no such file in "
                f"{Path.cwd()}; paths are relative to where snakemake runs"
            )
    return paths


def target(experiment):
    """Return the input of an experiment's target: its artifacts, or an error if the study lacks it."""
    if experiment in STUDY.experiments:
        return [f"{ROOT}/{path}" for path in STUDY.artifacts_of(experiment)]

    def absent(wildcards):
        raise WorkflowError(
            f"experiments.{experiment}: no family takes part in the study "
            f"'{STUDY.config.study}'; give it one (config.yaml shows how)"
        )

    return absent
