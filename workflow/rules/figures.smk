##### Figures: one an experiment #####


rule figures:
    input:
        unpack(made_from(f"{ROOT}/figures/{{experiment}}.png")),
    output:
        report(
            f"{ROOT}/figures/{{experiment}}.png",
            category="Figures",
            caption="../report/{experiment}.rst",
            labels={"experiment": "{experiment}"},
        ),
        f"{ROOT}/figures/{{experiment}}.pdf",
    log:
        f"{ROOT}/logs/figures/{{experiment}}.log",
    benchmark:
        f"{ROOT}/benchmarks/figures/{{experiment}}.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=1500,
        runtime=10,
    params:
        job=parameters(f"{ROOT}/figures/{{experiment}}.png"),
    script:
        "../scripts/figures.py"
