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
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=2000,
        runtime=120,
    params:
        job=parameters(f"{RUN}/students/{{block}}.parquet"),
    script:
        "../scripts/students.py"
