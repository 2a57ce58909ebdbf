##### Figures of the study #####


rule figures:
    input:
        unpack(made_from(f"{ROOT}/figures/{{figure}}.png")),
    output:
        png=report(
            f"{ROOT}/figures/{{figure}}.png",
            category="Figures",
            caption="../report/figure.rst",
            labels={"figure": "{figure}"},
        ),
        pdf=f"{ROOT}/figures/{{figure}}.pdf",
    log:
        f"{ROOT}/logs/figures/{{figure}}.log",
    benchmark:
        f"{ROOT}/benchmarks/figures/{{figure}}.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        job=parameters(f"{ROOT}/figures/{{figure}}.png"),
    script:
        "../scripts/figures.py"


localrules:
    figures,
