"""Entry of stage figures."""

from kduq import artifacts, figures, job


def main(input, output, params):  # noqa: A002
    table = artifacts.read(input.estimates[0], "estimates").table.to_pandas()
    made_by = params.made_by(input, job.study_root(output[0]))
    for path, data in zip(output, figures.draw(params.config, table, made_by), strict=True):
        with artifacts.atomic(path) as temporary:
            temporary.write_bytes(data)


if __name__ == "__main__":
    job.run(main, snakemake)
