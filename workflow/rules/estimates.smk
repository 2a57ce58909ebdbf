##### Estimates: one table per run, and all of them together #####


rule estimates:
    input:
        unpack(made_from(f"{RUN}/estimates.parquet")),
    output:
        estimates=f"{RUN}/estimates.parquet",
    log:
        f"{ROOT}/logs/estimates/{{experiment}}_{{family}}_{{dataset}}.log",
    benchmark:
        f"{ROOT}/benchmarks/estimates/{{experiment}}_{{family}}_{{dataset}}.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=mem_mb_per_attempt(4000),
        runtime=runtime_per_attempt(30),
    params:
        job=parameters(f"{RUN}/estimates.parquet"),
    script:
        "../scripts/estimates.py"


rule gather:
    input:
        unpack(made_from(f"{ROOT}/estimates.parquet")),
    output:
        estimates=f"{ROOT}/estimates.parquet",
    log:
        f"{ROOT}/logs/gather.log",
    benchmark:
        f"{ROOT}/benchmarks/gather.tsv"
    localrule: True
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=1500,
        runtime=10,
    params:
        job=parameters(f"{ROOT}/estimates.parquet"),
    script:
        "../scripts/gather.py"
