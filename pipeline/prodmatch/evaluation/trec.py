"""Qrels and runs: which products fit which query, and what a ranking gave; TREC's formats."""

import json
import math
from collections.abc import Container, Iterable, Mapping, Sequence
from pathlib import Path
from urllib.parse import quote, unquote

import numpy as np

from prodmatch.catalogue.records import read_records
from prodmatch.errors import QueryError, require_type
from prodmatch.histories.texts import cell_text
from prodmatch.storage.atomic import new_file

Qrels = dict[str, dict[str, int]]  # query_id -> product_id -> grade, 0 for no match
Run = dict[str, list[str]]  # query_id -> product_ids, best first
GRADES = ("relevance", "grade", "label")
MOST_GRADE = 1_000_000  # trec_eval takes far larger ones for others
TREC_SUFFIXES = (".txt", ".qrels", ".trec", ".run")


def read_qrels(path: Path) -> Qrels:
    """Graded qrels in Parquet, CSV, JSON lines (`query_id, product_id, relevance`) or TREC form.

    A file that ends in `.txt`, `.qrels` or `.trec` is TREC's: `query_id 0 product_id grade`.
    Equal lines count once; the grade may also be called `grade` or `label`. Rows without one are
    not judged yet.

    Raises:
        QueryError: a row lacks a field, a grade is no whole number, two grades contradict, or
            there is none.
    """
    rows = (
        _read_trec(path)
        if path.suffix.lower() in TREC_SUFFIXES
        else read_records(path, "`qrels`", numbers=GRADES)
    )
    qrels: Qrels = {}
    for number, row in enumerate(rows, start=1):
        query_id, product_id, grade = _read_row(row, number, path)
        if grade is None:
            continue
        known = qrels.setdefault(query_id, {})
        if known.setdefault(product_id, grade) != grade:
            raise QueryError(
                f"`qrels` {path}: row {number}: {query_id!r} and {product_id!r} have the grades "
                f"{known[product_id]} and {grade}. Keep one."
            )
    if not qrels:
        raise QueryError(f"`qrels` {path}: no row has a grade yet. Fill some in, 0 for no match.")
    return qrels


def check_qrels(qrels: Qrels) -> Qrels:
    """The qrels that a caller from Python gives, perhaps with numbers of numpy or whole floats.

    Raises:
        QueryError: they are of another form, or a grade is no whole number.
    """
    remedy = "Give {query_id: {product_id: grade}}."
    require_type(qrels, Mapping, "`qrels`", remedy, QueryError)
    checked: Qrels = {}
    for query_id, grades in qrels.items():
        require_type(grades, Mapping, f"`qrels`: {query_id!r:.40}", remedy, QueryError)
        checked[query_id] = {}
        for product_id, grade in grades.items():
            is_number = isinstance(grade, bool | int | float | np.number)
            if not is_number or not abs(grade) <= MOST_GRADE or grade != int(grade):
                raise QueryError(
                    f"`qrels`: {query_id!r:.40}: the grade of {product_id!r:.40} is {grade!r:.40}; "
                    f"grades are whole numbers up to {MOST_GRADE}, 0 for no match."
                )
            checked[query_id][product_id] = int(grade)
    return checked


def check_runs(runs: Mapping[str, Run]) -> Mapping[str, Run]:
    """The runs that a caller from Python gives.

    Raises:
        QueryError: they are of another form, or a product stands twice for a query.
    """
    remedy = "Give {name: {query_id: [product_id, ...]}}, best first."
    require_type(runs, Mapping, "`runs`", remedy, QueryError)
    for name, run in runs.items():
        require_type(run, Mapping, f"`runs`: {name!r:.40}", remedy, QueryError)
        for query_id, found in run.items():
            place = f"`runs`: {name!r:.40}: {query_id!r:.40}"
            require_type(found, list | tuple, place, remedy, QueryError)
            for product_id in found:
                require_type(product_id, str, f"{place}: {product_id!r:.40}", remedy, QueryError)
            if len(set(found)) < len(found):
                twice = next(product for product in found if found.count(product) > 1)
                raise QueryError(f"{place}: {twice!r} stands twice. Keep one.")
    return runs


def join_qrels(several: Iterable[Qrels]) -> Qrels:
    """The grades of several files in one.

    Raises:
        QueryError: two contradict.
    """
    joined: Qrels = {}
    for qrels in several:
        for query_id, grades in qrels.items():
            known = joined.setdefault(query_id, {})
            for product_id, grade in grades.items():
                if known.setdefault(product_id, grade) != grade:
                    raise QueryError(
                        f"`qrels`: {query_id!r} and {product_id!r} have the grades "
                        f"{known[product_id]} and {grade} in two files. Keep one."
                    )
    return joined


def write_qrels(path: Path, qrels: Qrels) -> None:
    """Writes qrels as JSON lines, as `read_qrels` reads them."""
    with new_file(path) as file:
        for query_id, grades in qrels.items():
            for product_id, grade in grades.items():
                row = {"query_id": query_id, "product_id": product_id, "relevance": grade}
                file.write(json.dumps(row, ensure_ascii=False).encode() + b"\n")


def _read_row(row: Mapping[str, object], number: int, path: Path) -> tuple[str, str, int | None]:
    named = next((name for name in GRADES if name in row), None)
    query_id, product_id = cell_text(row.get("query_id")), cell_text(row.get("product_id"))
    if named is None or query_id is None or product_id is None:
        raise QueryError(
            f"`qrels` {path}: row {number} needs query_id, product_id and relevance; "
            f"found {', '.join(row)}."
        )
    grade = row[named]
    if grade is None:
        return query_id, product_id, None
    if isinstance(grade, bool | int | float) and abs(grade) <= MOST_GRADE and grade == int(grade):
        return query_id, product_id, int(grade)
    raise QueryError(
        f"`qrels` {path}: row {number}: {named} is {grade!r}; grades are whole numbers up to "
        f"{MOST_GRADE}, 0 for no match."
    )


def _read_trec(path: Path) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    for number, fields in _read_fields(path, "`qrels`", 4):
        try:
            grade = int(fields[3])
        except ValueError as error:
            raise QueryError(
                f"`qrels` {path}: line {number}: the grade {fields[3]!r} is no whole number."
            ) from error
        rows.append({"query_id": fields[0], "product_id": fields[2], "relevance": grade})
    if not rows:
        raise QueryError(f"`qrels` {path}: has no rows.")
    return rows


def read_run(path: Path, queries: Container[str] = (), products: Container[str] = ()) -> Run:
    """A run in TREC's form: `query_id Q0 product_id rank score name`, ordered by score.

    Of equal scores the highest id is first, as trec_eval has it, and so ir-measures.

    Ids that `write_run` escaped are given as they were; where there is only an id that is spelt as
    in the file, that one.

    Args:
        path: the file.
        queries: the ids of queries that there are.
        products: the ids of products that there are.

    Raises:
        QueryError: a line has other fields than these six, a score is no number, a product stands
            twice for a query, or there is no line.
    """
    scores: dict[str, dict[str, float]] = {}
    for number, fields in _read_fields(path, "`runs`", 6):
        query, product = _read_id(fields[0], queries), _read_id(fields[2], products)
        found = scores.setdefault(query, {})
        if product in found:
            raise QueryError(
                f"`runs` {path}: line {number}: {product!r} stands twice for {query!r}. Keep one."
            )
        found[product] = _read_score(fields[4], f"`runs` {path}: line {number}")
    if not scores:
        raise QueryError(f"`runs` {path}: has no lines.")
    return {
        query: sorted(found, key=lambda product: (found[product], product), reverse=True)
        for query, found in scores.items()
    }


def _read_score(text: str, place: str) -> float:
    try:
        score = float(text)
    except ValueError:
        score = math.nan
    if math.isnan(score):
        raise QueryError(f"{place}: the score {text!r} is no number.")
    return score


def write_run(path: Path, hits: Iterable[tuple[str, Sequence[tuple[str, float]]]]) -> None:
    """Writes rankings in TREC's form, complete or not at all.

    Programs that read it go by the scores, and order equal ones in their own ways: a score that
    is no less than the one before it is written as the least step below. The fields are apart by
    spaces, so those in an id are written as in addresses, `%20`, and a `%` of such an id as `%25`.

    Args:
        path: the file to make; its stem is the name of the run.
        hits: for each query its id and `(product_id, score)` pairs, best first.
    """
    with new_file(path) as file:
        for query_id, ranked in hits:
            least = math.inf
            for rank, (product_id, score) in enumerate(ranked, start=1):
                least = min(round(score, 6), least - 1e-6)
                ids = f"{_write_id(query_id)} Q0 {_write_id(product_id)}"
                file.write(f"{ids} {rank} {least:.6f} {path.stem}\n".encode())


def _write_id(text: str) -> str:
    """An id without spaces; as it stands where it has none and would be read as itself."""
    if unquote(text) == text and not any(map(str.isspace, text)):
        return text
    return "".join(quote(sign) if sign.isspace() or sign == "%" else sign for sign in text)


def _read_id(written: str, known: Container[str]) -> str:
    """The id that `_write_id` wrote so, or `written` itself where only that is known."""
    if "%" not in written:
        return written
    plain = unquote(written)
    is_ours = _write_id(plain) == written
    return plain if is_ours and (plain in known or written not in known) else written


def _read_fields(path: Path, name: str, count: int) -> list[tuple[int, list[str]]]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise QueryError(f"{name} {path}: cannot be read as text ({error}).") from error
    found = []
    for number, line in enumerate(text.splitlines(), start=1):
        fields = line.split()
        if fields and len(fields) != count:
            raise QueryError(
                f"{name} {path}: line {number} has {len(fields)} fields; TREC's form has {count}."
            )
        if fields:
            found.append((number, fields))
    return found
