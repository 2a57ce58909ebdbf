##### Examples: a data set, split and standardised; or a corpus, split #####


rule examples:
    input:
        data_file,
    output:
        examples=f"{ROOT}/examples/{{dataset}}.parquet",
    log:
        f"{ROOT}/logs/examples/{{dataset}}.log",
    benchmark:
        f"{ROOT}/benchmarks/examples/{{dataset}}.tsv"
    # It takes seconds and runs where Snakemake does, also on a cluster.
    localrule: True
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
