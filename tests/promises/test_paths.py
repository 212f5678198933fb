"""A job from Python takes a path as a text or as any `os.PathLike`, and names what is neither."""

import importlib
import inspect
import os
import pkgutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import prodmatch
from prodmatch import open_index
from prodmatch.convert import ConvertSettings, convert_catalogue
from prodmatch.errors import ProdmatchError
from prodmatch.evaluate_histories import evaluate_histories
from prodmatch.export import export_embeddings
from prodmatch.match import MatchSettings, find_matches
from prodmatch.recommend import recommend_to_users
from prodmatch.tag import TagSettings, tag_products

OTHERS = ("build", "errors")  # the face itself: see `test_argument_types.py`; and no job


class Place(os.PathLike[str]):
    """A path of another library."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __fspath__(self) -> str:
        return str(self._path)


def jobs() -> Iterator[tuple[str, Callable[..., object], str]]:
    """Every parameter of a public function of a job that is a path."""
    for module in pkgutil.iter_modules(prodmatch.__path__):
        if module.ispkg or module.name in OTHERS:
            continue
        found = importlib.import_module(f"prodmatch.{module.name}")
        for name, job in inspect.getmembers(found, inspect.isfunction):
            if name.startswith("_") or job.__module__ != found.__name__:
                continue
            for each in inspect.signature(job).parameters.values():
                if "Path" in str(each.annotation):
                    yield f"{module.name}.{name}", job, each.name


JOBS = list(jobs())


@pytest.mark.parametrize(("name", "job", "parameter"), JOBS)
def test_a_path_may_be_a_text_and_what_is_none_is_named(
    name: str, job: Callable[..., object], parameter: str, published: Path
) -> None:
    parameters = inspect.signature(job).parameters
    assert "str" in str(parameters[parameter].annotation), f"{name}: {parameter}"
    given: dict[str, Any] = {
        each.name: "a" if "Path" in str(each.annotation) else None
        for each in parameters.values()
        if each.default is inspect.Parameter.empty
    }
    if "index" in given:
        given["index"] = open_index(published)
    stated = "histories" if parameter == "log" else parameter
    with pytest.raises(ProdmatchError, match=rf"^`{stated}`: is of the type int\. Give a path"):
        job(**{**given, parameter: 5})
    with pytest.raises(ProdmatchError, match=rf"^`{stated}`: is empty\. Give a path\.$"):
        job(**{**given, parameter: ""})


def test_every_job_with_paths_is_tried() -> None:
    assert {name.partition(".")[0] for name, *_ in JOBS} == {
        *("check_deep", "convert", "drift", "embed", "evaluate", "evaluate_histories", "export"),
        *("index", "match", "pretrain", "recommend", "tag", "train", "transfer"),
    }


@pytest.mark.parametrize("kind", [str, Place])
def test_jobs_write_where_a_text_or_another_kind_of_path_says(
    kind: Callable[[Path], Any], published: Path, tmp_path: Path
) -> None:
    rows = tmp_path / "rows.csv"
    rows.write_text("product_id,title\n1,red mug\n2,blue lamp\n")
    report = convert_catalogue(
        kind(rows), kind(tmp_path / "rows.parquet"), ConvertSettings(images=kind(tmp_path))
    )
    assert report.catalogue == str(tmp_path / "rows.parquet")
    log = tmp_path / "log.csv"
    log.write_text("user,product_id\n" + "".join(f"u{n % 40},p{n:04}\n" for n in range(160)))
    index = open_index(kind(published))
    found = find_matches(
        index,
        kind(tmp_path / "found"),
        MatchSettings(decisions=kind(_write_pairs(tmp_path / "pairs.csv"))),
    )
    assert (found.out, found.decided) == (str(tmp_path / "found"), 1)
    export_embeddings(index.generation, "npy", kind(tmp_path / "arrays"))
    assert recommend_to_users(index, kind(log), kind(tmp_path / "shown.parquet")).users == 40
    assert evaluate_histories(index, kind(log)).users
    decided = tmp_path / "labels.csv"
    decided.write_text("product_id,column,value\np0001,colour,red\n")
    settings = TagSettings(["colour"], labels=[kind(decided)])
    assert tag_products(index, kind(tmp_path / "tags.parquet"), settings).report.decisions == 1
    written = {path.name for path in tmp_path.iterdir()}
    assert written >= {"rows.parquet", "found", "arrays", "shown.parquet", "tags.parquet"}


def _write_pairs(path: Path) -> Path:
    path.write_text("left,right,match\np0001,p0002,true\n")
    return path


@pytest.mark.parametrize("name", ["pairs", "scorer", "decisions"])
def test_settings_take_paths_too(name: str) -> None:
    given: dict[str, Any] = {name: "a.csv"}
    assert getattr(MatchSettings(**given), name) == Path("a.csv")
    with pytest.raises(ProdmatchError, match=rf"^`{name}`: is of the type int\. Give a path"):
        MatchSettings(**{name: 5})  # type: ignore[arg-type]


def test_a_list_of_settings_is_no_text() -> None:
    with pytest.raises(ProdmatchError, match=r"^`labels`: is of the type str\. Give a list"):
        TagSettings(labels="labels.csv")  # type: ignore[arg-type]
    with pytest.raises(ProdmatchError, match=r"^`columns`: is of the type str\. Give a list"):
        TagSettings(columns="colour")
