##### Targets: the texts that the language models of a shard are taught #####


rule targets:
    input:
        unpack(made_from(f"{RUN}/targets/{{shard}}.parquet")),
    output:
        targets=f"{RUN}/targets/{{shard}}.parquet",
    log:
        f"{ROOT}/logs/targets/{{experiment}}_{{family}}_{{dataset}}_{{shard}}.log",
    benchmark:
        f"{ROOT}/benchmarks/targets/{{experiment}}_{{family}}_{{dataset}}_{{shard}}.tsv"
    wildcard_constraints:
        dataset=CORPORA,
    cache: SHARED
    conda:
        ENVIRONMENT
    threads: 1
    # A method with pilot students trains one per replicate.
    resources:
        mem_mb=mem_mb_per_attempt(4000),
        runtime=runtime_per_attempt(120),
    params:
        job=parameters(f"{RUN}/targets/{{shard}}.parquet"),
    script:
        "../scripts/targets.py"
