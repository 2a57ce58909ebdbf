##### Report: one page with verdicts, figures and provenance #####


from kduq.report.categories import REPORT


rule report:
    input:
        unpack(made_from(f"{ROOT}/report.html")),
    output:
        report=report(
            f"{ROOT}/report.html",
            category=REPORT,
            caption="../report/report.rst",
            labels={"question": "Does the paper hold, for what, how sure, and what should I do?"},
        ),
    log:
        f"{ROOT}/logs/report.log",
    benchmark:
        f"{ROOT}/benchmarks/report.tsv"
    localrule: True
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=1500,
        runtime=10,
    params:
        job=parameters(f"{ROOT}/report.html"),
    script:
        "../scripts/report.py"


##### Timings: a page beside the report #####


# Neither an input of the report nor a target of the study: benchmarks differ between runs, while
# equal inputs give equal bytes of the report. Without an output it always runs, so that the page is
# never older than the benchmarks. It has no benchmark, since that file would be an output.
rule timings:
    log:
        f"{ROOT}/logs/timings.log",
    localrule: True
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=1500,
        runtime=10,
    params:
        config=STUDY.config.model_dump_json(),
        root=ROOT,
    script:
        "../scripts/timings.py"
