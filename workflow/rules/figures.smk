##### Figures of the study #####


from kduq.report.categories import category, question


rule figures:
    input:
        unpack(made_from(f"{ROOT}/figures/{{figure}}.png")),
    output:
        png=report(
            f"{ROOT}/figures/{{figure}}.png",
            category=lambda wildcards: category(wildcards.figure),
            caption="../report/figure.rst",
            labels=lambda wildcards: {"question": question(wildcards.figure)},
        ),
        pdf=f"{ROOT}/figures/{{figure}}.pdf",
        svg=f"{ROOT}/figures/{{figure}}.svg",
    log:
        f"{ROOT}/logs/figures/{{figure}}.log",
    benchmark:
        f"{ROOT}/benchmarks/figures/{{figure}}.tsv"
    localrule: True
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
