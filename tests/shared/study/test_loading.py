import subprocess
import sys

COUNT_FAULTS = """
import resource

import numpy as np

from shared.study.loading import keep_memory

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(20):
        np.ones(5_000_000)  # 40 MB
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

given_back = faults()
keep_memory()
faults()
print(given_back, faults())
"""


def test_memory_that_is_kept_is_not_asked_for_again():
    counted = subprocess.run([sys.executable, "-c", COUNT_FAULTS], capture_output=True, text=True, check=True).stdout
    given_back, kept = map(int, counted.split())
    assert kept < given_back / 20
