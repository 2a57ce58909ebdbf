##### Audit: every artifact compared with the current configuration and code #####


# No benchmark: its file would be an output, and a rule with outputs does not always run.
rule audit:
    log:
        f"{ROOT}/logs/audit.log",
    localrule: True
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        config=STUDY.config.model_dump_json(),
        root=ROOT,
    script:
        "../scripts/audit.py"


##### Times: results that were copied without their modification times #####


# Without an output it always runs.
rule:
    name:
        "repair-times"
    log:
        f"{ROOT}/logs/repair_times.log",
    localrule: True
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        config=STUDY.config.model_dump_json(),
        root=ROOT,
        outputs=lambda wildcards: times.outputs_by_artifact(workflow.rules, STUDY, ROOT),
    script:
        "../scripts/repair_times.py"
