"""Tests hand in what they need: what they still swap inside the library only grows less."""

import ast
from collections.abc import Iterator

from checkout import ROOT

TESTS = ROOT / "tests"
SWAPS = ("setattr", "setitem", "delattr", "delitem")
OURS = ("prodmatch", "prodmatch_cli")
STILL_SWAPPED = {
    "catalogue/pictures/test_mirror.py": 1,
    "catalogue/test_mirror.py": 1,
    "cli/test_messages.py": 1,
    "cli/test_query_errors.py": 1,
    "encoders/networks/test_onnx_export.py": 3,
    "encoders/test_batches_lanes.py": 1,
    "encoders/test_device.py": 2,
    "engines/test_ray_pool.py": 1,
    "jobs/test_convert_dialects.py": 1,
    "jobs/test_explain.py": 2,
    "jobs/test_index.py": 10,
    "jobs/test_tag.py": 1,
    "lexical/forms/test_regional.py": 1,
    "matching/scoring/test_scorer_training.py": 1,
    "model/test_hubness.py": 1,
    "pretraining/test_contrastive.py": 2,
    "products/test_filters.py": 1,
    "promises/test_closed_doors.py": 1,
    "promises/test_incremental_nights.py": 3,
    "promises/test_many_nights.py": 1,
    "promises/test_stable_scores.py": 1,
    "reports/test_html.py": 1,
    "search/answers/test_result_page.py": 1,
    "search/test_queries.py": 1,
    "search/test_ranker.py": 1,
    "search/vectors/test_code_lists.py": 3,
    "search/vectors/test_list_pieces.py": 3,
    "search/vectors/test_vector_index.py": 1,
    "storage/test_locks.py": 8,
    "support/faults.py": 2,
    "support/measure_memory.py": 1,
    "test_convert_packages.py": 1,
}


def swaps(program: ast.Module) -> Iterator[ast.AST]:
    """What swaps a part of the library, or of what the test does not itself import."""
    own = {target.id for target in own_names(program)}
    ours = imported(program, ours=True)
    foreign = {*own, *imported(program, ours=False)} - ours
    for call in ast.walk(program):
        if isinstance(call, ast.Assign):
            roots = {
                ast.unparse(target).split(".")[0]
                for target in call.targets
                if isinstance(target, ast.Attribute)
            }
            if roots & ours:
                yield call
        if not isinstance(call, ast.Call) or not call.args:
            continue
        name = call.func.attr if isinstance(call.func, ast.Attribute) else ast.unparse(call.func)
        target = call.args[0]
        if isinstance(target, ast.Constant):
            is_ours = str(target.value).split(".")[0] in OURS
        else:
            is_ours = ast.unparse(target).split(".")[0] not in foreign
        if name in SWAPS and is_ours:
            yield call


def own_names(program: ast.Module) -> Iterator[ast.Name]:
    """What a test makes itself: constants, and libraries that may not be there."""
    for node in ast.walk(program):
        if isinstance(node, ast.Assign | ast.AnnAssign) and (
            node in program.body or "importorskip" in ast.unparse(node)
        ):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            yield from (target for target in targets if isinstance(target, ast.Name))


def imported(program: ast.Module, *, ours: bool) -> set[str]:
    """The names that the library gives a test, or that others give it."""
    names = set()
    for node in ast.walk(program):
        if isinstance(node, ast.Import):
            named = [(each.name, each) for each in node.names]
        elif isinstance(node, ast.ImportFrom):
            named = [(node.module or "", each) for each in node.names]
        else:
            continue
        for module, each in named:
            if (module.split(".")[0] in OURS) == ours:
                names.add(each.asname or each.name.split(".")[0])
    return names


def test_no_more_of_the_library_is_swapped_than_before() -> None:
    counts: dict[str, int] = {}
    for path in sorted(TESTS.rglob("*.py")):
        count = sum(1 for _ in swaps(ast.parse(path.read_text())))
        if count:
            counts[str(path.relative_to(TESTS))] = count
    assert counts == STILL_SWAPPED


def test_a_swap_is_found_however_it_is_written() -> None:
    program = ast.parse(
        "import sys\nfrom prodmatch.embedding import fuse\nimport prodmatch.drift as job\n"
        "monkeypatch.setattr(fuse, 'ROWS', 1)\n"
        "monkeypatch.setattr('prodmatch.embed.x', 1)\n"
        "monkeypatch.setattr(job.Gate, 'ROWS', 1)\n"
        "for module in (fuse, job):\n    setattr(module, 'ROWS', 1)\n"
        "monkeypatch.setattr(sys, 'argv', [])\n"
        "monkeypatch.setitem(sys.modules, 'ray', None)\n"
        "SHOP = {}\nmonkeypatch.setitem(SHOP, 'mug', 1)\n"
        "fuse.ROWS = 2\nfound = fuse.ROWS\n"
        "ray = pytest.importorskip('ray')\nmonkeypatch.setattr(ray, 'init', None)\n"
    )
    assert sorted(swap.lineno for swap in swaps(program)) == [4, 5, 6, 8, 13]
