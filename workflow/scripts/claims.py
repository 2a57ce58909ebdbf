"""Entry of stage claims."""

from kduq import artifacts, claims, job


def main(input, output, params):  # noqa: A002
    estimates = artifacts.read(input.estimates[0], "estimates").table.to_pandas()
    files = {}
    for path in input.students:
        files.setdefault(job.run_of(path), []).append(path)

    def students(run):
        table = artifacts.read_all(files[run], "students")
        return table.table.select(list(artifacts.CONDITION)).to_pandas(), {
            name: table.column(name) for name in ("diverged", "test_mse", "prediction")
        }

    values = claims.judge(params.config, estimates, list(files), students)
    made_by = params.made_by(input, job.study_root(output[0]))
    artifacts.write(output[0], "claims", values, made_by)


if __name__ == "__main__":
    job.run(main, snakemake)
