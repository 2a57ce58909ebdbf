##### Plan: students and responses for an interval of a wanted width #####


rule plan_table:
    input:
        unpack(made_from(f"{ROOT}/plan.parquet")),
    output:
        report(
            f"{ROOT}/plan.parquet",
            category="Plan",
            caption="../report/plan.rst",
            labels={"page": "plan (Parquet)"},
        ),
    log:
        f"{ROOT}/logs/plan_table.log",
    benchmark:
        f"{ROOT}/benchmarks/plan.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=1500,
        runtime=10,
    params:
        job=parameters(f"{ROOT}/plan.parquet"),
    script:
        "../scripts/plan.py"


# Without an output it always runs, so that the table is shown even where it was made before; no
# benchmark, since its file would count as an output.
rule plan:
    input:
        expand(f"{ROOT}/{{path}}", path=STUDY.plan_artifacts),
    log:
        f"{ROOT}/logs/plan.log",
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=1000,
        runtime=5,
    script:
        "../scripts/show_plan.py"


localrules:
    plan,
