"""Pages on the command line: `query --html`, its links, and `explain --html`."""

import json
import re
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from shell import Shell
from small import embed, products, run, write

from prodmatch.index import index_embeddings
from prodmatch.model.description import Model


def test_an_explanation_with_a_boost_makes_a_page(shell: Shell, tmp_path: Path) -> None:
    page = tmp_path / "why.html"
    done = shell("explain", "red shirt", "p0003", "--boost", "price=0.3", "--html", str(page))
    assert (done.code, done.err) == (0, "")
    assert '<span class="key boost"></span>boost</td>' in page.read_text()


def test_the_command_query_writes_a_page(published: Path, tmp_path: Path) -> None:
    catalogue = published.with_name("sixty.parquet")
    arguments = ["query", "red shirt", "--store", published, "--html", tmp_path / "page.html"]
    done = run(*arguments, "--catalogue", catalogue, "--format", "jsonl", "--filter", "price < 40")
    assert (done.code, done.err) == (0, "")
    hits = [json.loads(line) for line in done.out.splitlines()]
    page = (tmp_path / "page.html").read_text()
    assert page.count("data:image/webp") == len(hits) == 10
    assert f"<b>{hits[0]['price']:.2f}</b>" in page
    assert "filter price &lt; 40 · generation 1" in page
    plain = run(*arguments)  # the store remembers its catalogue
    assert plain.code == 0
    assert (tmp_path / "page.html").read_text().count("data:image/webp") == 10


def test_the_command_links_to_the_addresses_of_a_column(
    store: Path, tmp_path: Path, model: Model
) -> None:
    table = pq.read_table(write(tmp_path / "c.parquet", products(6)))
    addresses = [f"https://shop.example/{number}" for number in range(5)] + ["javascript:alert(1)"]
    pq.write_table(table.append_column("url", pa.array(addresses)), tmp_path / "c.parquet")
    embed(tmp_path / "c.parquet", model, store)
    index_embeddings(store)
    page = tmp_path / "page.html"
    done = run("query", "red shirt", "--store", store, "--html", page, "--link", "url")
    assert (done.code, done.err) == (0, "")
    text = page.read_text()
    assert (
        sorted(re.findall(r'<a href="([^"]+)" rel="noopener noreferrer">', text)) == addresses[:5]
    )
    assert "url: javascript:alert(1)" in text
    run("query", "red shirt", "--store", store, "--html", page)
    assert "<a " not in page.read_text()  # it is remembered nowhere


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--link", "price"), "--link goes with --html. Give that too, or leave --link out."),
        (("--link", "pricy", "--html", "page.html"), "--link: there is no column 'pricy'"),
    ],
)
def test_a_link_that_cannot_be_made_is_one_clear_line(
    shell: Shell, arguments: tuple[str, ...], message: str
) -> None:
    done = shell("query", "red shirt", *arguments)
    assert (done.code, done.out) == (2, "")
    assert message in done.err
    assert not Path("page.html").exists()
