##### Examples: a data set, split and standardised #####


rule examples:
    input:
        data_file,
    output:
        f"{ROOT}/examples/{{dataset}}.parquet",
    log:
        f"{ROOT}/logs/examples/{{dataset}}.log",
    benchmark:
        f"{ROOT}/benchmarks/examples/{{dataset}}.tsv"
    wildcard_constraints:
        dataset=TABULAR_DATASETS,
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=mem_mb_per_attempt(1500),
        runtime=10,
    params:
        job=parameters(f"{ROOT}/examples/{{dataset}}.parquet"),
    script:
        "../scripts/examples.py"


rule corpora:
    input:
        data_file,
    output:
        f"{ROOT}/examples/{{dataset}}.parquet",
    log:
        f"{ROOT}/logs/examples/{{dataset}}.log",
    benchmark:
        f"{ROOT}/benchmarks/examples/{{dataset}}.tsv"
    wildcard_constraints:
        dataset=CORPORA,
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=mem_mb_per_attempt(1500),
        runtime=10,
    params:
        job=parameters(f"{ROOT}/examples/{{dataset}}.parquet"),
    script:
        "../scripts/corpora.py"


# Seconds of work each, on a cluster done where Snakemake runs.
localrules:
    examples,
    corpora,
