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
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=1500,
        runtime=10,
    params:
        job=parameters(f"{ROOT}/teachers/{{teacher}}/{{dataset}}/teacher.parquet"),
    script:
        "../scripts/teacher.py"
