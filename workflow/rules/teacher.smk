##### Teachers: one per data set, trained on the truth #####

TEACHER = f"{ROOT}/teachers/{{teacher}}/{{dataset}}"


rule teacher:
    input:
        unpack(made_from(f"{TEACHER}/teacher.parquet")),
    output:
        teacher=f"{TEACHER}/teacher.parquet",
    log:
        f"{ROOT}/logs/teacher/{{teacher}}_{{dataset}}.log",
    benchmark:
        f"{ROOT}/benchmarks/teacher/{{teacher}}_{{dataset}}.tsv"
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
        job=parameters(f"{TEACHER}/teacher.parquet"),
    script:
        "../scripts/teacher.py"


use rule teacher as language_teacher with:
    output:
        teacher=f"{TEACHER}/teacher.parquet",
        losses=f"{TEACHER}/losses.parquet",
        model=directory(f"{TEACHER}/model"),
    wildcard_constraints:
        dataset=CORPORA,
    # Snakemake takes it from the first rule only if it is said again.
    cache: SHARED
    resources:
        mem_mb=mem_mb_per_attempt(4000),
        runtime=runtime_per_attempt(240),
