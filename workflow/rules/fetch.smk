##### Downloads of data sets into scikit-learn's cache #####


# No benchmark: its file would be an output, and a rule with outputs does not always run.
rule fetch:
    log:
        f"{ROOT}/logs/fetch.log",
    localrule: True
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=4000,
        runtime=60,
    params:
        names=STUDY.downloads,
        folder=str(cache()),
    script:
        "../scripts/fetch.py"
