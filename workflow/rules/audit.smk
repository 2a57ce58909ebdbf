##### Audit: every artifact against today's configuration and code #####


rule audit:
    log:
        f"{ROOT}/logs/audit.log",
    benchmark:
        f"{ROOT}/benchmarks/audit.tsv"
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
