##### The study: checked configuration, its plan, and what every rule asks of the plan #####

import os
import re

from kduq.config import check
from kduq.errors import UserError
from kduq.data.downloads import FETCHED, cache, use_cache
from kduq.runtime.script import share_library
from kduq.runtime import liveness as run_record
from kduq.runtime.snapshot import VARIABLE, Handover
from kduq.study import Study
from snakemake.logging import logger

share_library()

# A job of a run takes its settings from the run, which started with them, and not from config.yaml,
# which may have been edited since.
HANDOVER = None
if not workflow.is_main_process and VARIABLE in os.environ:
    HANDOVER = Handover.parse(os.environ[VARIABLE])
    try:
        # Before Snakemake removes what lies in the place of the job's output.
        run_record.check()
    except UserError as error:
        raise WorkflowError(str(error)) from None

try:
    CHECKED = check(HANDOVER.config if HANDOVER else config)
    use_cache(CHECKED.data_cache)
    STUDY = Study(CHECKED)
except UserError as error:
    raise WorkflowError(f"The configuration cannot be used:\n{error}") from None

if HANDOVER is None:
    HANDOVER = Handover.of(config, STUDY)
    os.environ[VARIABLE] = HANDOVER.text()
    os.environ[run_record.VARIABLE] = run_record.new_name()
RECIPES = HANDOVER.recipes(STUDY)


# For executors whose jobs do not inherit the environment.
envvars:
    VARIABLE,
    run_record.VARIABLE,


if STUDY.left_out and workflow.is_main_process:
    logger.warning(
        f"Left out, since not downloaded: {', '.join(STUDY.left_out)}. To have them: "
        f"'snakemake fetch' where there is a network, into {cache()} (key data_cache)."
    )

ROOT = f"results/{STUDY.config.study}"
RUN = f"{ROOT}/{{experiment}}/{{family}}/{{dataset}}"
ENVIRONMENT = "../../envs/kduq.yaml"


#: Whether outputs are shared between workflows (snakemake --cache, with SNAKEMAKE_OUTPUT_CACHE).
SHARED = workflow.workflow_settings.cache is not None


def any_of(names):
    """Pattern that matches the given names, or nothing if there are none."""
    return "|".join(map(re.escape, names)) or "(?!)"


#: Corpora and data sets, and so the rules that make what stems from them, are told apart by name.
CORPUS = any_of(STUDY.corpora)
TABLE = any_of(name for name in STUDY.datasets if name not in STUDY.corpora)


wildcard_constraints:
    experiment="|".join(STUDY.experiments) or "none",
    family="[a-z]+",
    dataset="[^/]+",
    teacher="[^/]+",
    block=r"\d{6}-\d{6}",


#: Megabytes that any job needs. Data sets that are downloaded are large, and all jobs of a rule ask for
#: the same: Slurm gives every task of a job array what the first one asks for.
LEAST = 4000 if set(FETCHED) & set(STUDY.datasets) else 0


def memory(base):
    """Resource function: megabytes of a job, as much again at each further attempt."""

    def megabytes(wildcards, attempt):
        return max(base, LEAST) * attempt

    return megabytes


def minutes(base):
    """Resource function: longest time of a job, as much again at each further attempt."""

    def time(wildcards, attempt):
        return base * attempt

    return time


def planned(path):
    """The plan's job for an output."""
    try:
        return STUDY.jobs[str(Path(path).relative_to(ROOT))]
    except (KeyError, ValueError):
        raise WorkflowError(
            f"{path}: the study '{STUDY.config.study}' has no such artifact"
        ) from None


def parameters(pattern):
    """Params function of a rule: settings and code fingerprint of an output, as one text."""

    # Of the wildcards alone: Snakemake keeps no record of params that use other arguments.
    def text(wildcards):
        return HANDOVER.parameters(planned(pattern.format(**wildcards)), RECIPES)

    return text


def made_from(pattern):
    """Input function of a rule: the artifacts that the plan makes an output from, by role."""

    def inputs(wildcards):
        job = planned(pattern.format(**wildcards))
        return {role: [f"{ROOT}/{path}" for path in paths] for role, paths in job.inputs.items()}

    return inputs


def data_file(wildcards):
    """The user's file behind a data set; none for one that is built in."""
    planned(f"{ROOT}/examples/{wildcards.dataset}.parquet")
    found = STUDY.data_file(wildcards.dataset)
    for path in found:
        if not Path(path).is_file():
            raise WorkflowError(
                f"{STUDY.key_of(wildcards.dataset)}.path: found {path!r}; there is no such file in "
                f"{Path.cwd()}; paths are relative to where snakemake runs"
            )
    return found


def absent(experiment):
    """Input function of the target of an experiment that the study lacks."""

    def none(wildcards):
        raise WorkflowError(
            f"experiments.{experiment}: no family takes part in the study "
            f"'{STUDY.config.study}'; give it one (config.yaml shows how)"
        )

    return none
