# What is drawn, compared and decided from finished runs, shipped reference results and published numbers.
# `{scale}` is `reference` for what is drawn from shipped results alone. Seconds each: on a cluster, these jobs run
# where Snakemake runs.


localrules:
    families,
    figure,
    table,
    claims,
    comparison,
    runtimes,


rule families:
    output:
        svg=report(
            "figures/families/families.svg",
            caption="../report/families.rst",
            category="Task families",
            labels={"name": "families"},
        ),
        png="figures/families/families.png",
    log:
        "logs/families.log",
    conda:
        "../../environment.yml"
    params:
        code=GRAPH.families_code(),
    message:
        "draw the tasks of every shared family"
    shell:
        "python -m shared.study.cli show 2>&1 | tee -i {log}"


rule figure:
    input:
        GRAPH.drawing_inputs,
    output:
        svg=report(
            "<drawn>/{figure}.svg",
            caption="../report/drawing.rst",
            category="{paper}",
            subcategory="Figures",
            labels={"name": "{figure}", "scale": "{scale}"},
        ),
        png="<drawn>/{figure}.png",
    log:
        "<logs>/{figure}.log",
    conda:
        "../../environment.yml"
    params:
        code=GRAPH.drawing_code,
        item=GRAPH.drawing_item,
    message:
        "draw {wildcards.figure} of {wildcards.paper} ({wildcards.scale})"
    shell:
        "python -m shared.study.cli figure {wildcards.paper} {wildcards.figure}"
        " --scale {wildcards.scale} 2>&1 | tee -i {log}"


rule table:
    input:
        GRAPH.drawing_inputs,
    output:
        html=report(
            "<drawn>/{table}.html",
            caption="../report/drawing.rst",
            category="{paper}",
            subcategory="Tables",
            labels={"name": "{table}", "scale": "{scale}"},
        ),
        markdown="<drawn>/{table}.md",
        csv="<drawn>/{table}.csv",
        latex="<drawn>/{table}.tex",
    log:
        "<logs>/{table}.log",
    conda:
        "../../environment.yml"
    params:
        code=GRAPH.drawing_code,
        item=GRAPH.drawing_item,
    message:
        "draw {wildcards.table} of {wildcards.paper} ({wildcards.scale})"
    shell:
        "python -m shared.study.cli table {wildcards.paper} {wildcards.table}"
        " --scale {wildcards.scale} 2>&1 | tee -i {log}"


rule claims:
    input:
        GRAPH.claims_inputs,
    output:
        html=report(
            "<drawn>/claims.html",
            caption="../report/claims.rst",
            category="{paper}",
            subcategory="Summary",
            labels={"name": "claims", "scale": "{scale}"},
        ),
        markdown="<drawn>/claims.md",
        csv="<drawn>/claims.csv",
    log:
        "<logs>/claims.log",
    conda:
        "../../environment.yml"
    params:
        code=GRAPH.claims_code,
        described=GRAPH.claims_described,
    message:
        "test the claims of {wildcards.paper} ({wildcards.scale})"
    shell:
        "python -m shared.study.cli claims {wildcards.paper} --scale {wildcards.scale} 2>&1 | tee -i {log}"


rule comparison:
    input:
        GRAPH.comparison_inputs,
    output:
        html=report(
            "<drawn>/comparison.html",
            caption="../report/comparison.rst",
            category="{paper}",
            subcategory="Summary",
            labels={"name": "comparison", "scale": "{scale}"},
        ),
        markdown="<drawn>/comparison.md",
        csv="<drawn>/comparison.csv",
    log:
        "<logs>/comparison.log",
    conda:
        "../../environment.yml"
    params:
        code=GRAPH.comparison_code,
        described=GRAPH.comparison_described,
    message:
        "compare {wildcards.paper} with its published numbers ({wildcards.scale})"
    shell:
        "python -m shared.study.cli compare {wildcards.paper} --scale {wildcards.scale} 2>&1 | tee -i {log}"


rule runtimes:
    input:
        GRAPH.runtimes_inputs,
    output:
        html=report(
            "<drawn>/runtimes.html",
            caption="../report/runtimes.rst",
            category="{paper}",
            subcategory="Summary",
            labels={"name": "run times", "scale": "{scale}"},
        ),
        markdown="<drawn>/runtimes.md",
        csv="<drawn>/runtimes.csv",
    log:
        "<logs>/runtimes.log",
    conda:
        "../../environment.yml"
    params:
        code=GRAPH.runtimes_code,
    message:
        "tabulate the run times of {wildcards.paper} ({wildcards.scale})"
    shell:
        "python -m shared.analysis.runtimes {wildcards.paper} --scale {wildcards.scale} 2>&1 | tee -i {log}"
