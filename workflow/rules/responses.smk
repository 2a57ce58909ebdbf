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
        dataset=TABLE,
    cache: SHARED
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=memory(1500),
        runtime=minutes(10),
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
        dataset=CORPUS,
    cache: SHARED
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=memory(4000),
        runtime=minutes(240),
    params:
        job=parameters(f"{RUN}/responses/{{block}}.parquet"),
    script:
        "../scripts/language_responses.py"
