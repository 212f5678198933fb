"""Runs a notebook's cells as Jupyter does, without it: `python notebooks.py FILE`.

Prints a line of JSON for each code cell: what it shows, as HTML where its value has that.
"""

import ast
import json
import sys
from pathlib import Path


def run_cell(source: str, names: dict[str, object]) -> str | None:
    """Runs a cell in a namespace; what its last expression shows, None if it is none."""
    tree = ast.parse(source)
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, "<cell>", "exec"), names)
    if last is None:
        return None
    value = eval(compile(ast.Expression(last.value), "<cell>", "eval"), names)
    show = getattr(value, "_repr_html_", None)
    return repr(value) if show is None else str(show())


if __name__ == "__main__":
    cells = json.loads(Path(sys.argv[1]).read_text())["cells"]
    namespace: dict[str, object] = {"__name__": "__main__"}
    for cell in cells:
        if cell["cell_type"] == "code":
            print(json.dumps(run_cell("".join(cell["source"]), namespace)))  # noqa: T201
