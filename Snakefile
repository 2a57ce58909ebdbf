##### How uncertainty propagates when a model is distilled #####

import os
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.utils import min_version

min_version("9.14")


sys.path.insert(0, str(Path(workflow.basedir) / "workflow"))
from kduq.runtime import job_arrays
from kduq.runtime import liveness as run_record

job_arrays.become_own_task()


onstart:
    run_record.begin(os.environ[run_record.VARIABLE])
    # Under its default limit (100 jobs a second) Snakemake's scheduler looks at the ready jobs once
    # more a second after each look, so that after N jobs it looks N times a second and keeps a core
    # busy.
    limiter = workflow.scheduler.job_rate_limiter
    if limiter is not None and (limiter.max_jobs, limiter.timespan) == (100, 1):
        workflow.scheduler.job_rate_limiter = None
    if getattr(workflow.executor_settings, "array_jobs", None):
        found = {name: limit.value for name, limit in workflow.global_resources.items()}
        limits = {"jobs": found.pop("_nodes"), "cores": found.pop("_cores"), **found}
        if workflow.scheduler.job_rate_limiter is not None:
            limits["max-jobs-per-timespan"] = f"{limiter.max_jobs}/{limiter.timespan:g}s"
        limits["scheduler-subsample"] = workflow.scheduler.subsample
        settings = workflow.executor_settings
        try:
            job_arrays.check_limits(
                limits, settings.array_limit, settings.pass_command_as_script
            )
            job_arrays.check_rules(settings.array_jobs, [rule.name for rule in workflow.rules])
            job_arrays.check_paths([sys.executable, workflow.basedir, str(Path.cwd())])
        except UserError as error:
            raise WorkflowError(str(error)) from None
        job_arrays.mend_log_paths(workflow.scheduler._executor)


onsuccess:
    run_record.end(os.environ[run_record.VARIABLE])


onerror:
    run_record.end(os.environ[run_record.VARIABLE])


##### Configuration #####


configfile: "config.yaml"


include: "workflow/rules/common.smk"


##### Targets #####


rule:
    name:
        "reproduce-all"
    input:
        expand(f"{ROOT}/{{path}}", path=STUDY.jobs),
    localrule: True


rule all:
    input:
        expand(f"{ROOT}/{{path}}", path=STUDY.jobs),
    localrule: True


for experiment in STUDY.experiments:

    rule:
        name:
            experiment.replace("_", "-")
        input:
            expand(f"{ROOT}/{{path}}", path=STUDY.artifacts_of(experiment)),
        localrule: True


for experiment in STUDY.absent:

    rule:
        name:
            experiment.replace("_", "-")
        input:
            absent(experiment),
        localrule: True


##### Stages #####


include: "workflow/rules/examples.smk"
include: "workflow/rules/teacher.smk"
include: "workflow/rules/responses.smk"
include: "workflow/rules/students.smk"
include: "workflow/rules/estimates.smk"
include: "workflow/rules/plan.smk"
include: "workflow/rules/claims.smk"
include: "workflow/rules/figures.smk"
include: "workflow/rules/report.smk"
include: "workflow/rules/audit.smk"
include: "workflow/rules/fetch.smk"
include: "workflow/rules/sharing.smk"
