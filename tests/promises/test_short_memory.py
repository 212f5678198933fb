"""Where memory runs out, the message says memory: no file is called damaged for it."""

import subprocess
import sys
from pathlib import Path

import faiss
import numpy as np
import pytest

from prodmatch.encoders import graphs
from prodmatch.model.description import open_model
from prodmatch.search.vectors.vector_index import AnnIndex

DIM = 64
LOAD = """
import resource, sys
from pathlib import Path
from prodmatch.errors import ProdmatchError
from prodmatch.model.onnx_session import open_session
from prodmatch.search.vectors.vector_index import AnnIndex

path, row_count, dim = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (8 << 20), used + (8 << 20)))
try:
    if path.suffix == ".onnx":
        open_session(path, long_lived=True, threads=1)
    else:
        AnnIndex.open(path, row_count=row_count, dim=dim)
except ProdmatchError as error:
    print(f"{type(error).__name__} {error.exit_code} {error}")
"""


@pytest.mark.parametrize("kind", ["model", "index"])
def test_a_file_that_memory_is_too_short_for_is_not_called_damaged(
    kind: str, tmp_path: Path
) -> None:
    rows = 100_000  # 25.6 MB
    if kind == "model":
        pair = open_model("compact").encoders
        path = graphs.graph_path(tmp_path, pair.text_folder, pair.text)
        assert graphs.is_ready(path, pair.text_folder)
    else:
        path = tmp_path / "index.faiss"
        write_index(path, rows)
    command = [sys.executable, "-c", LOAD, path, str(rows), str(DIM)]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.stdout == (
        f"OutOfMemoryError 1 {path}: there is not enough memory to load it. Let this process have "
        "more, or run less at a time.\n"
    ), run.stderr


def write_index(path: Path, rows: int) -> None:
    index = faiss.IndexFlatIP(DIM)
    index.add(np.ones((rows, DIM), np.float32))
    AnnIndex(index).save(path)
