##### Figures: one an experiment #####


rule figures:
    input:
        unpack(made_from(f"{ROOT}/figures/{{figure}}.png")),
    output:
        report(
            f"{ROOT}/figures/{{figure}}.png",
            category="Figures",
            caption="../report/{figure}.rst",
            labels={"figure": "{figure}"},
        ),
        f"{ROOT}/figures/{{figure}}.pdf",
    log:
        f"{ROOT}/logs/figures/{{figure}}.log",
    benchmark:
        f"{ROOT}/benchmarks/figures/{{figure}}.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=1500,
        runtime=10,
    params:
        job=parameters(f"{ROOT}/figures/{{figure}}.png"),
    script:
        "../scripts/figures.py"
