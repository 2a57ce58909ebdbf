##### Students: all conditions of a shard of replicates #####


rule students:
    input:
        unpack(made_from(f"{RUN}/students/{{shard}}.parquet")),
    output:
        students=f"{RUN}/students/{{shard}}.parquet",
    log:
        f"{ROOT}/logs/students/{{experiment}}_{{family}}_{{dataset}}_{{shard}}.log",
    benchmark:
        f"{ROOT}/benchmarks/students/{{experiment}}_{{family}}_{{dataset}}_{{shard}}.tsv"
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
        job=parameters(f"{RUN}/students/{{shard}}.parquet"),
    script:
        "../scripts/students.py"


#: Weights of language models, where they are kept.
WEIGHTS = (
    {"weights": f"{RUN}/students/{{shard}}.safetensors"}
    if STUDY.config.language.keep_models
    else {}
)


use rule students as language_students with:
    output:
        **WEIGHTS,
        students=f"{RUN}/students/{{shard}}.parquet",
        losses=f"{RUN}/losses/{{shard}}.parquet",
    wildcard_constraints:
        dataset=CORPORA,
        experiment=ONE_TEACHER,
    # Snakemake takes it from the first rule only if it is said again.
    cache: SHARED
    resources:
        mem_mb=mem_mb_per_attempt(4000),
        runtime=runtime_per_attempt(240),
