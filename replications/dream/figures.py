"""What the generic plots cannot draw for DREAM: samples against the number of actions (Figure 4a)."""

import matplotlib.ticker
import numpy as np
from matplotlib.figure import Figure

from replications.dream.growth import LAWS, fitted_power, samples_by_size
from shared.analysis.evidence import REFERENCE, Evidence, interval_generator
from shared.analysis.statistics import mean_interval
from shared.figures import theme
from shared.figures.curves import kind_sample, put_legend, series_sample
from shared.figures.spec import method_label, notes, origins

BARS = "bars: 95 % bootstrap interval of the mean over learners"


@theme.theme()
def sample_complexity(evidence: Evidence) -> Figure:
    """Draw the mean number of trials until exploration stays optimal against |A|, both axes logarithmic.

    Thin lines are |A| log|A| and |A|² log|A| through each method's smallest |A|.
    """
    methods = evidence.spec.methods
    looks = theme.styles(methods)
    figure, (axis,) = theme.panels(1)
    handles, slopes = {}, []
    for method in methods:
        label = method_label(evidence, method)
        for origin in origins(evidence):
            samples = samples_by_size(evidence, method, origin)
            if not samples:
                continue
            sizes = np.array(sorted(samples))
            intervals = [mean_interval(samples[size][None], interval_generator()) for size in sizes]
            value, low, high = np.array([[i.value, i.low, i.high] for i in intervals]).T
            line = "--" if origin == REFERENCE else "-"
            axis.errorbar(
                sizes,
                value,
                yerr=[value - low, high - value],
                color=looks[method].colour,
                marker=looks[method].marker,
                ls=line,
            )
            handles[label], handles[origin] = series_sample(looks[method]), kind_sample(origin)
            for law in LAWS.values():
                axis.plot(sizes, value[0] * law(sizes) / law(sizes[0]), color=looks[method].colour, lw=0.5, ls=":")
            if len(sizes) > 1:
                slopes.append(f"{label}: samples grow as |A|^{fitted_power(sizes, value):.2f}")
    axis.set_xscale("log", base=2)
    axis.set_yscale("log")
    axis.xaxis.set_major_formatter(matplotlib.ticker.ScalarFormatter())
    axis.set_xlabel("actions |A|")
    axis.set_ylabel("trials until exploration stays optimal")
    if handles:
        put_legend(figure, handles)
    else:
        theme.no_results(axis)
    dotted = ["dotted: |A| log|A| and |A|² log|A|"] if handles else []
    theme.label_line(figure, notes(evidence, BARS, [*dotted, *dict.fromkeys(slopes)], published="none"))
    return figure
