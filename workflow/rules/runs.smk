# One training and one evaluation per run. `code` and `config` are digests: a job runs again when the code that it
# imports or its resolved configuration changed, and for nothing else. Checkpoints are not declared, so that a job
# that failed or was killed finds them and continues.


rule train:
    input:
        GRAPH.training_inputs,
    output:
        model="<run>/model.pt",
        metrics="<run>/metrics.parquet",
        curve="<run>/curve.parquet",
        manifest="<run>/training.json",
    log:
        "<run>/train.log",
    benchmark:
        "<run>/train.benchmark.tsv"
    # Trainings are what the end waits for; what is drawn without them can be drawn beside the last of them.
    priority: 1
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=4000,
        gpu=0,
    params:
        code=GRAPH.run_code,
        config=GRAPH.training_config,
    message:
        "train {wildcards.paper}/{wildcards.experiment}/{wildcards.method} seed {wildcards.seed} ({wildcards.scale})"
    shell:
        "python -m shared.study.cli train {wildcards.paper}/{wildcards.experiment}/{wildcards.method}"
        " --seed {wildcards.seed} --scale {wildcards.scale} 2>&1 | tee -i {log}"


rule evaluate:
    input:
        GRAPH.evaluation_inputs,
    output:
        results="<run>/results.parquet",
        manifest="<run>/manifest.json",
    log:
        "<run>/evaluate.log",
    benchmark:
        "<run>/evaluate.benchmark.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=4000,
        gpu=0,
    params:
        code=GRAPH.run_code,
        config=GRAPH.evaluation_config,
    message:
        "evaluate {wildcards.paper}/{wildcards.experiment}/{wildcards.method} seed {wildcards.seed} ({wildcards.scale})"
    shell:
        "python -m shared.study.cli evaluate {wildcards.paper}/{wildcards.experiment}/{wildcards.method}"
        " --seed {wildcards.seed} --scale {wildcards.scale} 2>&1 | tee -i {log}"
