##### Answers: a teacher's own, and its students', to the evaluated prompts #####


rule answers:
    input:
        unpack(made_from(f"{TEACHER}/answers.parquet")),
    output:
        answers=f"{TEACHER}/answers.parquet",
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
        job=parameters(f"{TEACHER}/answers.parquet"),
    script:
        "../scripts/answers.py"


use rule answers as student_answers with:
    input:
        unpack(made_from(f"{RUN}/answers/{{shard}}.parquet")),
    output:
        answers=f"{RUN}/answers/{{shard}}.parquet",
    log:
        f"{ROOT}/logs/answers/{{experiment}}_{{family}}_{{dataset}}_{{shard}}.log",
    benchmark:
        f"{ROOT}/benchmarks/answers/{{experiment}}_{{family}}_{{dataset}}_{{shard}}.tsv"
    wildcard_constraints:
        dataset=CORPORA,
        experiment=ONE_TEACHER,
    # Snakemake takes it from the first rule only if it is said again.
    cache: SHARED
    # Where weights are not kept, the students are trained again.
    resources:
        mem_mb=mem_mb_per_attempt(4000),
        runtime=runtime_per_attempt(240),
    params:
        job=parameters(f"{RUN}/answers/{{shard}}.parquet"),


use rule student_answers as split_answers with:
    output:
        answers=f"{RUN}/answers/{{shard}}.parquet",
        students=f"{RUN}/students/{{shard}}.parquet",
        losses=f"{RUN}/losses/{{shard}}.parquet",
        examples=f"{RUN}/examples/{{shard}}.parquet",
    wildcard_constraints:
        dataset=CORPORA,
        experiment=OWN_TEACHERS,
    # Snakemake takes it from the first rule only if it is said again.
    cache: SHARED
    resources:
        mem_mb=mem_mb_per_attempt(4000),
        runtime=runtime_per_attempt(240),
