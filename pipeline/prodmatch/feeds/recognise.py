"""Which kind of product file a file is: by its content, and by its ending where that is open."""

import re
from dataclasses import replace
from pathlib import Path

from prodmatch.errors import CatalogueError
from prodmatch.feeds.delimited import open_delimited
from prodmatch.feeds.json_rows import open_json
from prodmatch.feeds.rows import Feed
from prodmatch.feeds.source import Source, describe_reading, open_source, require_western
from prodmatch.feeds.xml_items import open_xml

JSON = re.compile(r'\s*(\[\s*[\[{\]]|\{\s*["}])')
XML = re.compile(r"\s*<([?!a-zA-Z])")
HTML = re.compile(r"\s*<(!doctype\s+html|html|head|body|table)\b", re.IGNORECASE)
WORKBOOK = "urn:schemas-microsoft-com:office:spreadsheet"
JSON_ENDINGS = (".json", ".jsonl", ".ndjson")


def open_feed(path: Path, *, encoding: str | None = None, delimiter: str | None = None) -> Feed:
    """The product file at a path, recognised.

    Args:
        path: CSV and its kin, JSON or XML; compressed with gzip or not.
        encoding: its encoding; detected in the bytes where not given.
        delimiter: between the fields of a line; detected in the header where not given.

    Raises:
        CatalogueError: it is none of these, or cannot be read.
    """
    source = open_source(path, encoding)
    head = source.head.lstrip("\ufeff")
    endings = [suffix.lower() for suffix in path.suffixes]
    if not head.strip():
        raise CatalogueError(f"{path}: is blank; it has no rows. Export it again.")
    if HTML.match(head):
        raise CatalogueError(f"{path}: is an HTML page. Give the exported file itself.")
    if delimiter is not None:
        feed = open_delimited(source, delimiter)
    elif XML.match(head):
        if WORKBOOK in head:
            raise CatalogueError(f"{path}: is an Excel workbook in XML; save the sheet as CSV.")
        feed = open_xml(source)
    elif JSON.match(head) or any(ending in JSON_ENDINGS for ending in endings):
        feed = open_json(source)
    else:
        feed = open_delimited(source)
    return _describe(feed, source)


def _describe(feed: Feed, source: Source) -> Feed:
    details = [feed.read_as]
    is_known = feed.form != "xml" or source.is_given  # else XML names its own encoding
    if is_known:
        details.append(source.encoding)
    if source.compression:
        details.append(f"compressed with {source.compression}")
    warnings = list(feed.warnings)
    if feed.form != "xml":
        require_western(source)
    is_guess = source.encoding in ("cp1252", "latin-1") and not source.is_given
    if feed.form != "xml" and is_guess:
        warnings.insert(0, describe_reading(source))
    if feed.form != "xml" and source.stray_bytes:
        warnings.insert(
            0, f"{source.stray_bytes} bytes are not UTF-8 in a file that is; read as cp1252"
        )
    return replace(
        feed,
        read_as=", ".join(details),
        encoding=source.encoding if is_known else None,
        compression=source.compression,
        warnings=warnings,
    )
