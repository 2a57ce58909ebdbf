##### Claims of the paper, judged #####


rule claims:
    input:
        unpack(made_from(f"{ROOT}/claims.parquet")),
    output:
        claims=f"{ROOT}/claims.parquet",
    log:
        f"{ROOT}/logs/claims.log",
    benchmark:
        f"{ROOT}/benchmarks/claims.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=mem_mb_per_attempt(4000),
        runtime=runtime_per_attempt(60),
    params:
        job=parameters(f"{ROOT}/claims.parquet"),
    script:
        "../scripts/claims.py"
