##### The study: its checked configuration, its plan, and functions of the rules #####

import os
import re
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.logging import logger
from snakemake.utils import min_version

min_version("9.14")

# The library lies beside the rules, whatever version is installed. The Snakefile that Snakemake was
# started with may be another one, which uses this workflow as a module.
RULES = Path(workflow.current_basedir.get_path_or_uri(secret_free=True))
if not RULES.is_dir():
    raise WorkflowError(
        f"{RULES}: the library of this workflow is read from a folder; clone the repository, and "
        "give the path of its Snakefile"
    )
sys.path.insert(0, str(RULES.parent))

from kduq.config import files
from kduq.config.study import check
from kduq.data.datasets import DOWNLOADS
from kduq.data.downloads import cache, use_cache
from kduq.errors import UserError
from kduq.runtime import (
    forking,
    liveness,
    patches,
    places,
    requested,
    snapshot,
    times,
    user_data,
)
from kduq.runtime.script import share_library
from kduq.study.study import Study

share_library()
patches.quote_interpreter()

IS_JOB = patches.is_job(workflow)
#: Its name where another workflow uses this one, whose settings are then an overlay of config.yaml.
MODULE = patches.module_name(workflow)
VARIABLE = snapshot.variable_of(MODULE)

try:
    places.check_folder(str(RULES))
    if MODULE is not None:
        if patches.has_prefix(workflow):
            raise UserError(
                f"module {MODULE}: found prefix or replace_prefix, with which the paths in this "
                "workflow's plan would be wrong; remove it, and name the study in the module's "
                "config (its files are in results/STUDY) or run with --directory"
            )
        config = files.overlaid(RULES.parents[1] / "config.yaml", config)
    else:
        if not (Path("config.yaml").is_file() or workflow.config_settings.configfiles):
            raise UserError(
                f"config.yaml: found none in {Path.cwd()}, where snakemake runs; run it in the "
                "folder of the checkout, or name that folder: --directory CHECKOUT"
            )
        for path in patches.config_files(workflow):
            files.read(path)
except UserError as error:
    raise WorkflowError(str(error)) from None

if MODULE is None:

    configfile: "config.yaml"


# A job takes its settings from the snapshot of its run: config.yaml may have been edited since.
SNAPSHOT = snapshot.RunSnapshot.from_environment(VARIABLE) if IS_JOB else None
if SNAPSHOT:
    try:
        # Before Snakemake removes existing files of the job's outputs.
        liveness.ensure_current()
    except UserError as error:
        raise WorkflowError(str(error)) from None
else:
    config = files.with_numbers(config, patches.command_line_config(workflow))

try:
    CHECKED = check(SNAPSHOT.config if SNAPSHOT else config)
    use_cache(CHECKED.data_cache)
    STUDY = Study(CHECKED)
except UserError as error:
    raise WorkflowError(f"The configuration has errors:\n{error}") from None

if not IS_JOB:
    try:
        user_data.check(STUDY)
    except UserError as error:
        raise WorkflowError(f"The data have errors:\n{error}") from None

if SNAPSHOT is None:
    SNAPSHOT = snapshot.RunSnapshot.from_study(config, STUDY)
    os.environ[VARIABLE] = SNAPSHOT.text()
    os.environ[liveness.VARIABLE] = liveness.new_name()
LINEAGE = SNAPSHOT.lineage(STUDY)


def start_forking():
    """Let the jobs of a run on this machine be forks of a process that has imported packages."""
    if patches.runs_here(workflow) and not IS_JOB:
        server = forking.start(patches.planned_datasets(workflow), STUDY.corpora)
        if server is not None:
            patches.fork_scripts(server.fork)


# For executors whose jobs do not inherit the environment.
envvars:
    VARIABLE,
    liveness.VARIABLE,


onstart:
    liveness.register(os.environ[liveness.VARIABLE])
    patches.stop_repeated_scheduling(workflow)
    start_forking()


onsuccess:
    liveness.unregister(os.environ[liveness.VARIABLE])


onerror:
    liveness.unregister(os.environ[liveness.VARIABLE])


if STUDY.skipped and not IS_JOB:
    logger.warning(
        f"Skipped, since not downloaded: {', '.join(STUDY.skipped)}. To include them, run "
        f"'snakemake fetch' where there is a network; it downloads into {cache()} (key data_cache)."
    )

ROOT = f"results/{STUDY.config.study}"
RUN = f"{ROOT}/{{experiment}}/{{family}}/{{dataset}}"
ENVIRONMENT = "../../envs/kduq.yaml"


if not IS_JOB:
    patches.before_planning(
        workflow,
        lambda names: requested.check_targets(names, workflow.rules, STUDY, ROOT),
        places.check_records,
    )


#: Whether outputs are shared between workflows (snakemake --cache, with SNAKEMAKE_OUTPUT_CACHE).
SHARED = patches.shares_outputs(workflow)


def any_of(names):
    """Pattern that matches any of the names; nothing if there are none."""
    return "|".join(map(re.escape, names)) or "(?!)"


#: Rules for text and rules for tables are distinguished by the names of corpora and data sets.
CORPORA = any_of(STUDY.corpora)
TABULAR_DATASETS = any_of(name for name in STUDY.datasets if name not in STUDY.corpora)


#: Experiments on text in which each split has a teacher of its own, and all others: a job of the
#: former goes from the prompts to the answers of its students.
OWN_TEACHERS = {run.key.experiment for run in STUDY.runs_of(lane="text") if run.has_own_teachers}
ONE_TEACHER = any_of(name for name in STUDY.experiments if name not in OWN_TEACHERS)
OWN_TEACHERS = any_of(sorted(OWN_TEACHERS))


wildcard_constraints:
    experiment="|".join(STUDY.experiments) or "none",
    family="[^/]+",
    dataset="[^/]+",
    teacher="[^/]+",
    # A range of replicates and, on text, perhaps a method.
    shard=r"\d{6}-\d{6}(-\w+)?",


#: Least memory of a job in megabytes: downloaded data sets are large.
MIN_MEM_MB = 4000 if set(DOWNLOADS) & set(STUDY.datasets) else 0


def mem_mb_per_attempt(base):
    """Resource function: memory of a job in megabytes, times the number of the attempt.

    A job on a large table of the user needs that of the table, and two gigabytes for its students,
    their responses and libraries.
    """

    def megabytes(wildcards, attempt):
        dataset = wildcards.get("dataset")
        table = STUDY.table_megabytes(dataset) if dataset in STUDY.datasets else 0
        return max(base, MIN_MEM_MB, 2000 + table if table else 0) * attempt

    return megabytes


def runtime_per_attempt(base):
    """Resource function: time limit of a job in minutes, times the number of the attempt."""

    def time(wildcards, attempt):
        return base * attempt

    return time


def planned(path):
    """The study's target for an output."""
    try:
        return STUDY.targets[str(Path(path).relative_to(ROOT))]
    except (KeyError, ValueError):
        raise WorkflowError(
            f"{path}: the study '{STUDY.config.study}' has no such artifact; "
            "'snakemake reproduce-all --dry-run' lists its artifacts"
        ) from None


def parameters(pattern):
    """Params function of a rule: settings and code fingerprint of an output, as one text."""

    # A function of the wildcards alone: Snakemake does not record params that use other arguments.
    def text(wildcards):
        return SNAPSHOT.parameters(planned(pattern.format(**wildcards)), LINEAGE)

    return text


def made_from(pattern):
    """Input function of a rule: the artifacts from which an output is built, by role."""

    def inputs(wildcards):
        inputs_by_role = planned(pattern.format(**wildcards)).inputs
        return {role: [f"{ROOT}/{path}" for path in p] for role, p in inputs_by_role.items()}

    return inputs


def data_file(wildcards):
    """The user's file of a data set or corpus, or files of its folder; none for a built-in one."""
    planned(f"{ROOT}/examples/{wildcards.dataset}.parquet")
    files = STUDY.data_file(wildcards.dataset)
    for path in files:
        if not Path(path).is_file():
            raise WorkflowError(user_data.missing(STUDY, wildcards.dataset, path))
    return files


def target(experiment):
    """Input of the target of an experiment: its artifacts, or an error if it is switched off."""
    if experiment in STUDY.experiments:
        return [f"{ROOT}/{path}" for path in STUDY.artifacts_of(experiment)]

    def absent(wildcards):
        raise WorkflowError(requested.absent(STUDY, experiment))

    return absent
