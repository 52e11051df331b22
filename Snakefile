# What can be asked for: the shape of the graph. How it is made stands in workflow/rules, what it is made of
# in replications/*/replication.yaml, and the answers to all questions in between in shared/study/graph.py.
import sys
from pathlib import Path

from snakemake.utils import min_version

from shared.study.graph import load_graph

min_version("9.27")

GRAPH = load_graph(Path(workflow.basedir), config)

# Jobs run in the environment that Snakemake runs in, whether or not it was activated.
shell.prefix(f"set -euo pipefail; PATH='{Path(sys.executable).parent}':\"$PATH\"; ")


report: "workflow/report/workflow.rst"


pathvars:
    run="data/runs/{scale}/{paper}/{experiment}/{method}/seed{seed}",
    drawn="figures/{scale}/{paper}",
    logs="logs/{scale}/{paper}",


wildcard_constraints:
    scale="[a-z]+",
    paper="[^/]+",
    experiment="[^/]+",
    method="[^/]+",
    seed=r"\d+",
    figure=GRAPH.any_name("figures"),
    table=GRAPH.any_name("tables"),
    target=r"[\w-]+",


include: "workflow/rules/runs.smk"
include: "workflow/rules/results.smk"


rule all:
    default_target: True
    input:
        GRAPH.everything(),


rule reference:
    input:
        GRAPH.reference(),


for target, files in GRAPH.targets().items():

    rule:
        name:
            target
        input:
            files,


# A name that is none of the above, and no file in a folder: say which was meant.
rule unknown_target:
    input:
        GRAPH.refuse_target,
    output:
        "{target}",
