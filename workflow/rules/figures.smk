##### Figures: one an experiment #####


rule figures:
    input:
        unpack(made_from(f"{ROOT}/figures/{{figure}}.png")),
    output:
        report(
            f"{ROOT}/figures/{{figure}}.png",
            category="Figures",
            caption="../report/figure.rst",
            labels={"figure": "{figure}"},
        ),
        f"{ROOT}/figures/{{figure}}.pdf",
    log:
        f"{ROOT}/logs/figures/{{figure}}.log",
    benchmark:
        f"{ROOT}/benchmarks/figures/{{figure}}.tsv"
    wildcard_constraints:
        figure=any_of(set(STUDY.figures) - set(STUDY.language_figures)),
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


rule language_figures:
    input:
        unpack(made_from(f"{ROOT}/figures/{{figure}}.png")),
    output:
        report(
            f"{ROOT}/figures/{{figure}}.png",
            category="Figures",
            caption="../report/figure.rst",
            labels={"figure": "{figure}"},
        ),
        f"{ROOT}/figures/{{figure}}.pdf",
    log:
        f"{ROOT}/logs/figures/{{figure}}.log",
    benchmark:
        f"{ROOT}/benchmarks/figures/{{figure}}.tsv"
    wildcard_constraints:
        figure=any_of(STUDY.language_figures),
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        job=parameters(f"{ROOT}/figures/{{figure}}.png"),
    script:
        "../scripts/language_figures.py"


localrules:
    figures,
    language_figures,
