##### Responses: the teacher's responses that the students of a shard learn from #####


rule responses:
    input:
        unpack(made_from(f"{RUN}/responses/{{shard}}.parquet")),
    output:
        responses=f"{RUN}/responses/{{shard}}.parquet",
    log:
        f"{ROOT}/logs/responses/{{experiment}}_{{family}}_{{dataset}}_{{shard}}.log",
    benchmark:
        f"{ROOT}/benchmarks/responses/{{experiment}}_{{family}}_{{dataset}}_{{shard}}.tsv"
    wildcard_constraints:
        dataset=TABULAR_DATASETS,
    cache: SHARED
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=mem_mb_per_attempt(1500),
        runtime=runtime_per_attempt(10),
    params:
        job=parameters(f"{RUN}/responses/{{shard}}.parquet"),
    script:
        "../scripts/responses.py"


use rule responses as language_responses with:
    wildcard_constraints:
        dataset=CORPORA,
    # Snakemake takes it from the first rule only if it is said again.
    cache: SHARED
    resources:
        mem_mb=mem_mb_per_attempt(4000),
        runtime=runtime_per_attempt(240),
