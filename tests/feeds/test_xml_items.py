"""XML that was made to do harm is refused in one line, in little memory and time."""

import gzip
from pathlib import Path

import pytest

from prodmatch.errors import CatalogueError
from prodmatch.feeds.recognise import open_feed

RSS = "<rss><channel><item><id>1</id><title>{}</title></item></channel></rss>"
LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
HOSTILE = {
    "a billion laughs": f'<!DOCTYPE r [<!ENTITY l0 "ha">{LAUGHS}]>' + RSS.format("&l9;"),
    "quadratic": f'<!DOCTYPE r [<!ENTITY a "{"a" * 99999}">]>' + RSS.format("&a;" * 9999),
    "one entity": '<!DOCTYPE r [<!ENTITY a "b">]>' + RSS.format("&a;"),
    "an unused entity": '<!DOCTYPE r [<!ENTITY a "b">]>' + RSS.format("x"),
    "a file": '<!DOCTYPE r [<!ENTITY a SYSTEM "file:///etc/passwd">]>' + RSS.format("&a;"),
    "an address": '<!DOCTYPE r [<!ENTITY a SYSTEM "http://127.0.0.1:9/">]>' + RSS.format("&a;"),
    "a public one": '<!DOCTYPE r [<!ENTITY a PUBLIC "p" "file:///etc/passwd">]>'
    + RSS.format("&a;"),
    "a parameter entity": '<!DOCTYPE r [<!ENTITY % p SYSTEM "file:///etc/passwd"> %p;]>' + RSS,
    "an inner parameter": """<!DOCTYPE r [<!ENTITY % p "<!ENTITY a 'b'>"> %p;]>""" + RSS,
    "unparsed": '<!DOCTYPE r [<!NOTATION n SYSTEM "n"><!ENTITY a SYSTEM "f" NDATA n>]>' + RSS,
    "an unknown entity of a DTD": '<!DOCTYPE r SYSTEM "file:///etc/passwd">' + RSS.format("&nbsp;"),
    "an unknown entity": RSS.format("&nbsp;"),
    "endless depth": "<rss><channel><item>" + "<a>" * 100_000,
    "deep markup": RSS.format("x")
    .replace("title>", "body>")
    .replace("x", f"{'<b>' * 99}{'</b>' * 99}"),
    "a recursion": '<!DOCTYPE r [<!ENTITY a "&b;"><!ENTITY b "&a;">]>' + RSS.format("&a;"),
    "a tag without end": "<rss><channel><item><a b='" + "x" * (5 << 20),
    "cut off": RSS.format("x")[:-9],
    "two roots": RSS.format("x") * 2,
    "a bad byte": RSS.format("\x00"),
    "crossed tags": "<rss><channel><item><a></b></item></channel></rss>",
    "an unknown encoding": '<?xml version="1.0" encoding="no-such"?>' + RSS.format("x"),
    "no items": "<rss><channel></channel></rss>",
    "many bytes to a letter": '<?xml version="1.0" encoding="shift_jis"?>' + RSS.format("x"),
    "an endless title": RSS.format("x" * (65 << 20)),
    "too many names": "<rss><c><item>" + "".join(f"<n{n}>x</n{n}>" for n in range(6000)),
    "half UTF-8": '<?xml version="1.0" encoding="UTF-8"?>' + RSS.format("\udcff"),
}
OF_ENCODINGS = ("an unknown encoding", "many bytes to a letter")


@pytest.mark.parametrize("kind", HOSTILE)
@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("encoding", [None, "utf-8"])
def test_is_refused(tmp_path: Path, kind: str, packed: bool, encoding: str | None) -> None:
    if encoding is not None and kind in OF_ENCODINGS:
        return  # is read
    content = HOSTILE[kind].encode("utf-8", "surrogateescape")
    path = tmp_path / "feed.xml"
    path.write_bytes(gzip.compress(content, 1) if packed else content)
    with pytest.raises(CatalogueError) as caught:
        list(open_feed(path, encoding=encoding).rows())
    assert str(caught.value).startswith(f"{path}: ")
    assert len(str(caught.value)) < 300 + len(str(path))
    assert "root:" not in str(caught.value)


def test_plain_entities_and_references_are_read(tmp_path: Path) -> None:
    path = tmp_path / "feed.xml"
    path.write_text(RSS.format("a &lt;b&gt; &amp; &quot;c&apos; &#252; &#x20AC;"))
    assert [row["title"] for row in open_feed(path).rows()] == ["a <b> & \"c' ü €"]


DECLARED = {
    "another": '<?xml version="1.0" encoding="UTF-8"?>',
    "none": "",
    "of many bytes": '<?xml version="1.0" encoding="shift_jis"?>',
}


@pytest.mark.parametrize("declared", DECLARED)
@pytest.mark.parametrize("encoding", ["cp1252", "utf-16", "shift_jis"])
def test_an_encoding_that_is_given_overrules_the_one_of_the_xml(
    tmp_path: Path, declared: str, encoding: str
) -> None:
    title = "赤いシャツ" if encoding == "shift_jis" else "Größe £5 ÿ"
    path = tmp_path / "feed.xml"
    path.write_bytes((DECLARED[declared] + RSS.format(title)).encode(encoding))
    feed = open_feed(path, encoding=encoding)
    assert [row["title"] for row in feed.rows()] == [title]
    assert (feed.encoding, feed.read_as) == (encoding, f"XML, {encoding}")


def test_an_encoding_that_is_given_and_wrong_is_named(tmp_path: Path) -> None:
    path = tmp_path / "feed.xml"
    path.write_bytes(RSS.format("Größe").encode("cp1252"))
    with pytest.raises(CatalogueError, match=r"is not utf-8.*Give its `encoding`"):
        list(open_feed(path, encoding="utf-8").rows())
