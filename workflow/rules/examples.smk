##### Examples: a data set, split and standardised #####


def data_file(wildcards):
    """The user's file behind a data set; none for one that is built in."""
    planned(f"{ROOT}/examples/{wildcards.dataset}.parquet")
    return STUDY.data_file(wildcards.dataset)


rule examples:
    input:
        data_file,
    output:
        f"{ROOT}/examples/{{dataset}}.parquet",
    log:
        f"{ROOT}/logs/examples/{{dataset}}.log",
    benchmark:
        f"{ROOT}/benchmarks/examples/{{dataset}}.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=1500,
        runtime=10,
    params:
        job=parameters,
    script:
        "../scripts/examples.py"
