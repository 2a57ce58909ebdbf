##### How uncertainty propagates when a model is distilled #####

import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.utils import min_version

min_version("9.14")


# Under its default limit (100 jobs a second) Snakemake's scheduler looks at the ready jobs once more a
# second after each look, so that after N jobs it looks N times a second and keeps a core busy.
onstart:
    limiter = workflow.scheduler.job_rate_limiter
    if limiter is not None and (limiter.max_jobs, limiter.timespan) == (100, 1):
        workflow.scheduler.job_rate_limiter = None


##### Configuration #####


configfile: "config.yaml"


sys.path.insert(0, str(Path(workflow.basedir) / "workflow"))


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
