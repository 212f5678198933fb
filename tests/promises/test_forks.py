"""Processes that are forked once an index has answered, as servers and pools do, answer too."""

import subprocess
import sys

FORK = """
import os, signal
import faiss
import numpy as np
from prodmatch.search.vectors.vector_index import AnnIndex

faiss.omp_set_num_threads(2)
rows = np.random.default_rng(0).normal(size=(5_000, 16)).astype(np.float32)
flat = faiss.IndexFlatIP(16)
flat.add(rows)
index = AnnIndex(flat)
before, *_ = index.search(rows[:50], 5)
child = os.fork()
if not child:
    signal.alarm(20)
    found, *_ = index.search(rows[:50], 5)
    os._exit(0 if found.rows.tolist() == before.rows.tolist() else 1)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def test_a_forked_process_answers_from_the_index_of_its_parent() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", FORK], capture_output=True, text=True, check=False, timeout=120
    )
    assert (ran.stdout.strip(), ran.stderr) == ("0", "")
