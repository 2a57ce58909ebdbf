##### Students: a block of replicates, all conditions #####


rule students:
    input:
        unpack(made_from(f"{RUN}/students/{{block}}.parquet")),
    output:
        f"{RUN}/students/{{block}}.parquet",
    log:
        f"{ROOT}/logs/students/{{experiment}}_{{family}}_{{dataset}}_{{block}}.log",
    benchmark:
        f"{ROOT}/benchmarks/students/{{experiment}}_{{family}}_{{dataset}}_{{block}}.tsv"
    wildcard_constraints:
        dataset=TABULAR_DATASETS,
    cache: SHARED
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=mem_mb_per_attempt(2000),
        runtime=runtime_per_attempt(120),
    params:
        job=parameters(f"{RUN}/students/{{block}}.parquet"),
    script:
        "../scripts/students.py"


rule language_students:
    input:
        unpack(made_from(f"{RUN}/students/{{block}}.parquet")),
    output:
        students=f"{RUN}/students/{{block}}.parquet",
        losses=f"{RUN}/losses/{{block}}.parquet",
    log:
        f"{ROOT}/logs/students/{{experiment}}_{{family}}_{{dataset}}_{{block}}.log",
    benchmark:
        f"{ROOT}/benchmarks/students/{{experiment}}_{{family}}_{{dataset}}_{{block}}.tsv"
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
        job=parameters(f"{RUN}/students/{{block}}.parquet"),
    script:
        "../scripts/language_students.py"
