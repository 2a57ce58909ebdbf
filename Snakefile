##### How uncertainty propagates when a model is distilled #####

import os
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.utils import min_version

min_version("9.14")


##### Configuration #####


configfile: "config.yaml"


LIBRARY = str(Path(workflow.basedir) / "workflow")
sys.path.insert(0, LIBRARY)
# Jobs are processes of their own; they find the library on this path.
os.environ["PYTHONPATH"] = os.pathsep.join(
    dict.fromkeys([LIBRARY, *filter(None, [os.environ.get("PYTHONPATH")])])
)


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


##### Stages #####


include: "workflow/rules/examples.smk"
include: "workflow/rules/teacher.smk"
include: "workflow/rules/responses.smk"
include: "workflow/rules/students.smk"
include: "workflow/rules/estimates.smk"
include: "workflow/rules/claims.smk"
include: "workflow/rules/figures.smk"
include: "workflow/rules/report.smk"
include: "workflow/rules/audit.smk"
