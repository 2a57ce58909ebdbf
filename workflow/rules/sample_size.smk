##### Sample size: students and responses for an interval of a wanted width #####


rule sample_size_table:
    input:
        unpack(made_from(f"{ROOT}/plan.parquet")),
    output:
        plan=f"{ROOT}/plan.parquet",
    log:
        f"{ROOT}/logs/sample_size_table.log",
    benchmark:
        f"{ROOT}/benchmarks/sample_size.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=1500,
        runtime=10,
    params:
        job=parameters(f"{ROOT}/plan.parquet"),
    script:
        "../scripts/sample_size.py"


# Without an output it always runs, so that the table is shown even if it exists already. It has no
# benchmark, since that file would be an output.
rule:
    name:
        "sample-size"
    input:
        expand(f"{ROOT}/{{path}}", path=STUDY.sample_size_artifacts),
    log:
        f"{ROOT}/logs/sample_size.log",
    localrule: True
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=1000,
        runtime=5,
    script:
        "../scripts/show_sample_size.py"


# The name of the target before version 0.2.
rule plan:
    input:
        expand(f"{ROOT}/{{path}}", path=STUDY.sample_size_artifacts),
    log:
        f"{ROOT}/logs/plan.log",
    localrule: True
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=1000,
        runtime=5,
    script:
        "../scripts/show_sample_size.py"
