##### Responses of the teacher: noise of a block of replicates #####


rule responses:
    input:
        unpack(made_from(f"{RUN}/responses/{{block}}.parquet")),
    output:
        f"{RUN}/responses/{{block}}.parquet",
    log:
        f"{ROOT}/logs/responses/{{experiment}}_{{family}}_{{dataset}}_{{block}}.log",
    benchmark:
        f"{ROOT}/benchmarks/responses/{{experiment}}_{{family}}_{{dataset}}_{{block}}.tsv"
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
        job=parameters(f"{RUN}/responses/{{block}}.parquet"),
    script:
        "../scripts/responses.py"


rule language_responses:
    input:
        unpack(made_from(f"{RUN}/responses/{{block}}.parquet")),
    output:
        f"{RUN}/responses/{{block}}.parquet",
    log:
        f"{ROOT}/logs/responses/{{experiment}}_{{family}}_{{dataset}}_{{block}}.log",
    benchmark:
        f"{ROOT}/benchmarks/responses/{{experiment}}_{{family}}_{{dataset}}_{{block}}.tsv"
    wildcard_constraints:
        dataset=CORPORA,
    cache: SHARED
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=mem_mb_per_attempt(4000),
        runtime=runtime_per_attempt(240),
    params:
        job=parameters(f"{RUN}/responses/{{block}}.parquet"),
    script:
        "../scripts/language_responses.py"
