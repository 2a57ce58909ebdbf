##### Embeddings: the distinct answers and references of a run #####


rule embeddings:
    input:
        unpack(made_from(f"{RUN}/embeddings/all.parquet")),
    output:
        embeddings=f"{RUN}/embeddings/all.parquet",
    log:
        f"{ROOT}/logs/embeddings/{{experiment}}_{{family}}_{{dataset}}_all.log",
    benchmark:
        f"{ROOT}/benchmarks/embeddings/{{experiment}}_{{family}}_{{dataset}}_all.tsv"
    wildcard_constraints:
        dataset=CORPORA,
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=mem_mb_per_attempt(4000),
        runtime=runtime_per_attempt(120),
    params:
        job=parameters(f"{RUN}/embeddings/all.parquet"),
    script:
        "../scripts/embeddings.py"
