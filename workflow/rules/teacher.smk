##### Teachers: one a data set, trained on the truth #####


rule teacher:
    input:
        unpack(made_from(f"{ROOT}/teachers/{{teacher}}/{{dataset}}/teacher.parquet")),
    output:
        f"{ROOT}/teachers/{{teacher}}/{{dataset}}/teacher.parquet",
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
        job=parameters(f"{ROOT}/teachers/{{teacher}}/{{dataset}}/teacher.parquet"),
    script:
        "../scripts/teacher.py"


rule language_teacher:
    input:
        unpack(made_from(f"{ROOT}/teachers/{{teacher}}/{{dataset}}/teacher.parquet")),
    output:
        teacher=f"{ROOT}/teachers/{{teacher}}/{{dataset}}/teacher.parquet",
        losses=f"{ROOT}/teachers/{{teacher}}/{{dataset}}/losses.parquet",
        model=directory(f"{ROOT}/teachers/{{teacher}}/{{dataset}}/model"),
    log:
        f"{ROOT}/logs/teacher/{{teacher}}_{{dataset}}.log",
    benchmark:
        f"{ROOT}/benchmarks/teacher/{{teacher}}_{{dataset}}.tsv"
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
        job=parameters(f"{ROOT}/teachers/{{teacher}}/{{dataset}}/teacher.parquet"),
    script:
        "../scripts/language_teacher.py"


##### Answers: what a language model that is a teacher itself answers #####


rule answers:
    input:
        unpack(made_from(f"{ROOT}/teachers/{{teacher}}/{{dataset}}/answers.parquet")),
    output:
        f"{ROOT}/teachers/{{teacher}}/{{dataset}}/answers.parquet",
    log:
        f"{ROOT}/logs/answers/{{teacher}}_{{dataset}}.log",
    benchmark:
        f"{ROOT}/benchmarks/answers/{{teacher}}_{{dataset}}.tsv"
    wildcard_constraints:
        dataset=CORPORA,
    cache: SHARED
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=mem_mb_per_attempt(4000),
        runtime=runtime_per_attempt(120),
    params:
        job=parameters(f"{ROOT}/teachers/{{teacher}}/{{dataset}}/answers.parquet"),
    script:
        "../scripts/answers.py"
