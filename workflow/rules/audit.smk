##### Audit: every artifact compared with the current configuration and code #####


# No benchmark: its file would be an output, and a rule with outputs does not always run.
rule audit:
    log:
        f"{ROOT}/logs/audit.log",
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


localrules:
    audit,
