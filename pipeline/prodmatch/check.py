"""Job: a catalogue's fitness, without a model: rejects by reason, gaps, repeats, pictures."""

import itertools
from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc
from tqdm import tqdm

from prodmatch.catalogue.part_checks import name_whole_exports
from prodmatch.catalogue.pictures.image_files import ADDRESS_REASON
from prodmatch.catalogue.pictures.images import PICTURE_SECONDS, UnusableImage, decode_image
from prodmatch.catalogue.reader import Batch, Catalogue
from prodmatch.catalogue.rows import REPEATED, Reject
from prodmatch.columns.encodings import WrongEncodings
from prodmatch.columns.markup import Markup
from prodmatch.columns.missing import name_left_out, name_misnamed, name_text_prices
from prodmatch.columns.oddities import Oddities
from prodmatch.columns.placeholders import Placeholders
from prodmatch.columns.searchable import TextStatistics, advise_searching, find_text_columns
from prodmatch.engines.local import ChildFailure, IsolatedPool
from prodmatch.progress import bars_off
from prodmatch.scanning.picture_lists import describe_unusable
from prodmatch.storage.features import content_key

EXAMPLES = 5  # of rows, for each reason
SMALL_PIXELS = 64  # a shorter side than this says little


@dataclass(frozen=True)
class CheckReport:
    """What is in a catalogue. Always `rows == embeddable + rejected`."""

    rows: int
    embeddable: int
    rejected: int
    rejects: dict[str, int]
    images_unusable: dict[str, int]  # of products whose text serves
    without_text: int
    without_image: int
    equal_texts: int  # products whose text another one before them has
    equal_images: int
    equal_products: int  # both
    small_images: int
    columns: dict[str, str]  # what each column is used as
    text_columns: list[str]  # what is embedded and searched
    could_be_searched: dict[str, str]  # text columns that are not, but look like it, and why
    placeholder_values: dict[str, dict[str, int]]  # such as a literal nan, by column of text
    frequent_titles: dict[str, int]  # that a large share of the products has
    frequent_pictures: dict[str, int]  # under many products, by the first one's id
    examples: dict[str, list[str]] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)  # why a first `embed` would write nothing
    refused: bool = False


def check_catalogue(
    catalogue: Catalogue,
    *,
    decode: bool = True,
    workers: int = 1,
    max_reject: float = 0.01,
    max_lost: float = 0.1,
) -> CheckReport:
    """Reads a whole catalogue as `embed` would, without a model.

    Args:
        decode: decode every distinct picture; otherwise only those out of reach are found.
        workers: processes that decode; 0 decodes in this one.
        max_reject: the share of rejected rows above which embed would refuse.
        max_lost: the share of unusable pictures above which a first embed would.

    Raises:
        CatalogueError: a file cannot be read to its end.
    """
    tally = _Tally()
    columns = _Columns(catalogue)
    bar = tqdm(total=catalogue.row_count, desc="rows", unit="row", disable=bars_off())
    with bar, IsolatedPool(_inspect, workers, PICTURE_SECONDS) as pool:
        for batch in catalogue.batches():
            pictures = dict(tally.new_pictures(batch)) if decode else {}
            for key, found in zip(pictures, pool.map(pictures.values()), strict=True):
                if isinstance(found, ChildFailure):
                    found = found.reason, 0
                tally.pictures[key] = found
            tally.add(batch)
            columns.add(batch)
            bar.update(len(batch.rows) + len(batch.rejects))
    refusals = list(_refusals(catalogue, tally, max_reject, max_lost))
    return _report(catalogue, tally, columns, refusals)


def _inspect(data: bytes) -> tuple[str, int]:
    """What is wrong with a picture ("" if nothing), and its shorter side."""
    try:
        return "", min(decode_image(data).size)
    except UnusableImage as error:
        return str(error), 0


def _undecoded(row: int, product_id: str, found: str) -> Reject:
    """What `_inspect` found of a picture: a reason, and perhaps more."""
    reason, _, detail = found.partition(": ")
    return Reject(row, product_id, f"image_{reason}", detail)


class _Tally:
    """What has been counted so far."""

    def __init__(self) -> None:
        self.pictures: dict[bytes, tuple[str, int]] = {}
        self.texts: set[bytes] = set()
        self.images: set[bytes] = set()
        self.products: set[bytes] = set()
        self.counts: Counter[str] = Counter()
        self.rejects: Counter[str] = Counter()
        self.repeated = array("q")  # rows whose ids earlier rows have
        self.unusable: Counter[str] = Counter()
        self.unusable_listed: list[Reject] = []  # of products that have another picture
        self.examples: dict[str, list[str]] = {}
        self.placeholders = Placeholders()

    def new_pictures(self, batch: Batch) -> Iterator[tuple[bytes, bytes]]:
        others = itertools.chain.from_iterable(batch.more_images.values())
        for data in itertools.chain(batch.images, others):
            if data is not None and (key := content_key(data)) not in self.pictures:
                self.pictures[key] = ("", 0)
                yield key, data

    def add(self, batch: Batch) -> None:
        for reject in batch.rejects:
            self._reject(reject)
        rows = zip(
            batch.rows.tolist(),
            batch.product_ids,
            batch.texts,
            batch.images,
            batch.image_rejects,
            strict=True,
        )
        unread: dict[int, list[Reject]] = {}
        for reject in batch.listed_rejects:
            unread.setdefault(reject.row, []).append(reject)
        for index, (row, product_id, text, data, image_reject) in enumerate(rows):
            listed = [] if data is None else [data, *batch.more_images.get(index, ())]
            key, reason, side = self._first_usable(listed)
            if key is not None:
                self._add_listed(row, product_id, listed, unread.get(row, []))
            if reason:
                image_reject = _undecoded(row, product_id, reason)
            if not text and key is None and image_reject is not None:
                self._reject(image_reject)
                continue
            self.counts["embeddable"] += 1
            self.counts["small_images"] += 0 < side < SMALL_PIXELS
            if image_reject is not None:
                self.unusable[image_reject.reason] += 1
                self._show(image_reject)
            self._compare(text, key, product_id)

    def _first_usable(self, listed: Sequence[bytes]) -> tuple[bytes | None, str, int]:
        """The key of a product's first usable picture, and its shorter side.

        Without one, why the first cannot be used.
        """
        found = [(key, *self._inspected(key)) for key in map(content_key, listed)]
        usable = next(((key, side) for key, reason, side in found if not reason), None)
        if usable is not None:
            return usable[0], "", usable[1]
        return None, found[0][1] if found else "", SMALL_PIXELS

    def _inspected(self, key: bytes) -> tuple[str, int]:
        return self.pictures.get(key, ("", SMALL_PIXELS))

    def _add_listed(
        self, row: int, product_id: str, listed: Sequence[bytes], unread: list[Reject]
    ) -> None:
        """Adds the pictures of a list that its product does without, as it has another."""
        broken = (self._inspected(key)[0] for key in dict.fromkeys(map(content_key, listed)))
        found = [_undecoded(row, product_id, reason) for reason in broken if reason]
        self.unusable_listed += [*unread, *found]
        for reject in [*unread, *found]:
            self._show(reject)

    def _compare(self, text: str, image: bytes | None, product_id: str) -> None:
        text_key = content_key(text.encode()) if text else None
        self.counts["without_text"] += text_key is None
        self.counts["without_image"] += image is None
        if text_key is not None:
            self.counts["equal_texts"] += text_key in self.texts
            self.texts.add(text_key)
        if image is not None:
            self.counts["equal_images"] += image in self.images
            self.images.add(image)
            self.placeholders.add_picture(image, text_key or b"-", product_id)
        both = (text_key or b"-") + (image or b"-")
        self.counts["equal_products"] += both in self.products
        self.products.add(both)

    def _reject(self, reject: Reject) -> None:
        self.rejects[reject.reason] += 1
        if reject.reason == REPEATED:
            self.repeated.append(reject.row)
        self._show(reject)

    def _show(self, reject: Reject) -> None:
        shown = self.examples.setdefault(reject.reason, [])
        if len(shown) < EXAMPLES:
            named = f"row {reject.row}" + (f" ({reject.product_id})" if reject.product_id else "")
            shown.append(f"{named}: {reject.detail}" if reject.detail else named)


class _Columns:
    """What is in the text columns, of those that are searched and of the others."""

    def __init__(self, catalogue: Catalogue) -> None:
        columns = find_text_columns(catalogue)
        self.are_chosen = bool(catalogue.options.text_columns)
        self.searched = columns.searched
        self.others = {name: TextStatistics(name) for name in columns.others}
        self.placeholders = Placeholders()
        self.encodings = WrongEncodings()
        self.oddities = Oddities()
        self.markup = Markup(self.searched[:1])
        self.has_values: dict[str, bool] = {}  # of every column

    def add(self, batch: Batch) -> None:
        """Adds the products of a batch."""
        for name in batch.metadata.schema.names:
            if not self.has_values.get(name):
                self.has_values[name] = _has_values(batch.metadata[name])
        self.encodings.add(batch.product_ids, batch.metadata)
        self.oddities.add(batch.product_ids, batch.metadata)
        self.markup.add(batch.product_ids, batch.metadata)
        for name, statistics in self.others.items():
            texts = batch.metadata[name].cast(pa.string())
            statistics.add(texts, batch.texts)
            self.placeholders.add_texts(name, texts, batch.product_ids)
        for position, name in enumerate(self.searched):
            cells = batch.metadata[name].cast(pa.string()).to_pylist()
            for text, product_id in zip(cells, batch.product_ids, strict=True):
                if text:
                    self.placeholders.add_text(name, text, product_id)
                    if position == 0:
                        self.placeholders.titles[text.strip()[:100]] += 1

    def could_be_searched(self) -> dict[str, str]:
        """Columns that look as if they should be searched, and why."""
        found = ((name, column.explain()) for name, column in self.others.items())
        return {name: reason for name, reason in found if reason}


def _report(
    catalogue: Catalogue, tally: _Tally, columns: _Columns, refusals: list[str]
) -> CheckReport:
    counts, rejected = tally.counts, tally.rejects.total()
    rows, products = counts["embeddable"] + rejected, counts["embeddable"]
    pictures = tally.placeholders.frequent_pictures(products)
    return CheckReport(
        rows=rows,
        embeddable=counts["embeddable"],
        rejected=rejected,
        rejects=dict(tally.rejects.most_common()),
        images_unusable=dict(tally.unusable.most_common()),
        without_text=counts["without_text"],
        without_image=counts["without_image"],
        equal_texts=counts["equal_texts"],
        equal_images=counts["equal_images"],
        equal_products=counts["equal_products"],
        small_images=counts["small_images"],
        columns=_uses(catalogue),
        text_columns=columns.searched,
        could_be_searched=columns.could_be_searched(),
        placeholder_values={
            name: dict(found.most_common()) for name, found in columns.placeholders.values.items()
        },
        frequent_titles=columns.placeholders.frequent_titles(products),
        frequent_pictures=pictures,
        examples=tally.examples,
        warnings=[
            *_warnings(catalogue, counts),
            *describe_unusable(tally.unusable_listed),
            *columns.encodings.warnings(),
            *columns.markup.warnings(),
            *columns.oddities.warnings(),
            *_column_warnings(columns, products),
            *(
                f"one picture under {count} products, such as {product_id}: a placeholder?"
                for product_id, count in pictures.items()
            ),
        ],
        refusals=refusals,
        refused=bool(refusals),
    )


def _refusals(
    catalogue: Catalogue, tally: _Tally, max_reject: float, max_lost: float
) -> Iterator[str]:
    """What `embed` would refuse the catalogue for, were it the first."""
    products, rejected = tally.counts["embeddable"], tally.rejects.total()
    rows = products + rejected
    if not products or rejected / rows > max_reject:
        copies = name_whole_exports(catalogue.parts, tally.repeated)
        yield (
            f"{rejected} of {rows} rows cannot be embedded. "
            + (copies or "Correct the rows above, or raise `max_reject`.")
        )
    usable = products - tally.counts["without_image"]
    reasons = [*tally.rejects.items(), *tally.unusable.items()]
    unusable = sum(
        count for name, count in reasons if name.startswith("image_") and name != ADDRESS_REASON
    )
    if unusable and unusable / (unusable + usable) > max_lost:
        yield (
            f"{unusable} of {unusable + usable} pictures cannot be used. Correct them, or raise "
            "`max_lost`; a later night is compared with the one before."
        )


def _uses(catalogue: Catalogue) -> dict[str, str]:
    mapping = catalogue.mapping
    uses = {mapping.product_id: "id"}
    if mapping.image:
        uses[mapping.image] = "picture"
    uses.update(dict.fromkeys(mapping.sources, "metadata"))
    uses.update(dict.fromkeys(mapping.texts, "text"))
    return {**uses, **dict.fromkeys(mapping.left_out, "not used")}


def _warnings(catalogue: Catalogue, counts: Counter[str]) -> list[str]:
    mapping, embeddable = catalogue.mapping, max(1, counts["embeddable"])
    warnings = list(catalogue.warnings)
    if not mapping.texts:
        warnings.append("no text column: products are found by their pictures alone")
    if mapping.image is None:
        warnings.append("no picture column: products are found by their texts alone")
    warnings += name_misnamed(catalogue)
    warnings += name_left_out(catalogue)
    warnings += name_text_prices(catalogue)
    for name, what in (
        ("without_text", "have no text"),
        ("without_image", "have no usable picture"),
        ("equal_products", "repeat another's text and picture"),
        ("small_images", f"have a picture with a side below {SMALL_PIXELS} pixels"),
    ):
        share = counts[name] / embeddable
        no_column = not mapping.texts if name == "without_text" else mapping.image is None
        if share >= 0.2 and not (no_column and name.startswith("without")):
            warnings.append(f"{share:.0%} of the products {what}")
    return warnings


def _has_values(column: pa.Array) -> bool:
    if not pa.types.is_string(column.type):
        return bool(column.null_count < len(column))
    return bool(pc.any(pc.not_equal(pc.utf8_trim_whitespace(column), "")).as_py())


def _column_warnings(columns: _Columns, products: int) -> list[str]:
    """What to change about the text columns, and which columns are empty."""
    warnings = [f"column {name!r} is empty" for name, has in columns.has_values.items() if not has]
    if (missing := columns.could_be_searched()) and not columns.are_chosen:
        warnings.append(advise_searching(columns.searched, [*missing]))
    for name, found in columns.placeholders.values.items():
        shown = ", ".join(f"{count} x {text!r}" for text, count in found.most_common(3))
        examples = ", ".join(columns.placeholders.examples[name])
        what = "text" if name in columns.searched else "value"
        warnings.append(f"{name}: {shown} stand for no {what}, such as in {examples}")
    for title, count in columns.placeholders.frequent_titles(products).items():
        if {title} - set().union(*columns.placeholders.values.values()):
            warnings.append(
                f"{columns.searched[0]}: {count} of {products} products are called {title[:60]!r}"
            )
    return warnings
