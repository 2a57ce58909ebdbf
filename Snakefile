##### How uncertainty propagates when a model is distilled #####


include: "workflow/rules/common.smk"


##### Targets #####


rule:
    name:
        "reproduce-all"
    input:
        expand(f"{ROOT}/{{path}}", path=STUDY.targets),
    localrule: True


rule all:
    input:
        expand(f"{ROOT}/{{path}}", path=STUDY.targets),
    localrule: True


for experiment in [*STUDY.experiments, *STUDY.absent]:

    rule:
        name:
            experiment.replace("_", "-")
        input:
            target(experiment),
        localrule: True


##### Stages #####


include: "workflow/rules/examples.smk"
include: "workflow/rules/teacher.smk"
include: "workflow/rules/responses.smk"
include: "workflow/rules/targets.smk"
include: "workflow/rules/students.smk"
include: "workflow/rules/answers.smk"
include: "workflow/rules/embeddings.smk"
include: "workflow/rules/estimates.smk"
include: "workflow/rules/sample_size.smk"
include: "workflow/rules/claims.smk"
include: "workflow/rules/figures.smk"
include: "workflow/rules/report.smk"
include: "workflow/rules/audit.smk"
include: "workflow/rules/fetch.smk"
include: "workflow/rules/sharing.smk"
