##### Report: one page with verdicts, figures and provenance #####


rule report:
    input:
        unpack(made_from(f"{ROOT}/report.html")),
    output:
        f"{ROOT}/report.html",
    log:
        f"{ROOT}/logs/report.log",
    benchmark:
        f"{ROOT}/benchmarks/report.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=1500,
        runtime=10,
    params:
        job=parameters(f"{ROOT}/report.html"),
    script:
        "../scripts/report.py"
