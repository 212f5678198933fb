"""Job: a catalogue's fitness, told without a model: rejects by reason, gaps, repeats, pictures."""

import multiprocessing
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field

from tqdm import tqdm

from prodmatch.catalogue.images import ImageFault, decode_image
from prodmatch.catalogue.reader import Batch, Catalogue, Reject
from prodmatch.storage.features import content_key

__all__ = ["CheckReport", "check_catalogue"]

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
    examples: dict[str, list[str]] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    refused: bool = False  # embed with the same limit would write nothing

    def as_dict(self) -> dict[str, object]:
        """Names and values, for JSON."""
        return asdict(self)


def check_catalogue(
    catalogue: Catalogue, *, decode: bool = True, workers: int = 1, max_reject: float = 0.01
) -> CheckReport:
    """Reads a whole catalogue as `embed` would, without a model.

    Args:
        catalogue: what `open_catalogue` gave, so its schema is known to be usable.
        decode: decode every distinct picture; otherwise only those out of reach are found.
        workers: processes that decode; 0 decodes in this one.
        max_reject: the share of rejected rows above which embed would refuse.

    Raises:
        CatalogueError: a file cannot be read to its end.
    """
    tally = _Tally()
    bar = tqdm(total=catalogue.row_count, desc="rows", unit="row", disable=None)
    context = multiprocessing.get_context("forkserver")
    with bar, context.Pool(workers) if decode and workers else nullcontext() as pool:
        for batch in catalogue.batches():
            pictures = list(tally.new_pictures(batch)) if decode else []
            inspected: Iterable[tuple[bytes, str, int]] = (
                pool.imap(_inspect, pictures, chunksize=16) if pool else map(_inspect, pictures)
            )
            for key, reason, side in inspected:
                tally.pictures[key] = (reason, side)
            tally.add(batch)
            bar.update(len(batch.rows) + len(batch.rejects))
    return _report(catalogue, tally, max_reject)


def _inspect(picture: tuple[bytes, bytes]) -> tuple[bytes, str, int]:
    """A picture's key, what is wrong with it ("" if nothing), and its shorter side."""
    key, data = picture
    try:
        return key, "", min(decode_image(data).size)
    except ImageFault as fault:
        return key, fault.reason, 0


class _Tally:
    """What has been counted so far."""

    def __init__(self) -> None:
        self.pictures: dict[bytes, tuple[str, int]] = {}
        self.texts: set[bytes] = set()
        self.images: set[bytes] = set()
        self.products: set[bytes] = set()
        self.counts: Counter[str] = Counter()
        self.rejects: Counter[str] = Counter()
        self.unusable: Counter[str] = Counter()
        self.examples: dict[str, list[str]] = {}

    def new_pictures(self, batch: Batch) -> Iterator[tuple[bytes, bytes]]:
        for data in batch.images:
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
            batch.image_faults,
            strict=True,
        )
        for row, product_id, text, data, fault in rows:
            key = content_key(data) if data is not None else None
            reason, side = self.pictures.get(key, ("", SMALL_PIXELS)) if key else ("", SMALL_PIXELS)
            if reason:
                fault, key = Reject(row, product_id, f"image_{reason}"), None
            if not text and key is None and fault is not None:
                self._reject(fault)
                continue
            self.counts["embeddable"] += 1
            self.counts["small_images"] += 0 < side < SMALL_PIXELS
            if fault is not None:
                self.unusable[fault.reason] += 1
                self._show(fault)
            self._compare(text, key)

    def _compare(self, text: str, image: bytes | None) -> None:
        said = content_key(text.encode()) if text else None
        self.counts["without_text"] += said is None
        self.counts["without_image"] += image is None
        if said is not None:
            self.counts["equal_texts"] += said in self.texts
            self.texts.add(said)
        if image is not None:
            self.counts["equal_images"] += image in self.images
            self.images.add(image)
        both = (said or b"-") + (image or b"-")
        self.counts["equal_products"] += both in self.products
        self.products.add(both)

    def _reject(self, reject: Reject) -> None:
        self.rejects[reject.reason] += 1
        self._show(reject)

    def _show(self, reject: Reject) -> None:
        shown = self.examples.setdefault(reject.reason, [])
        if len(shown) < EXAMPLES:
            named = f"row {reject.row}" + (f" ({reject.product_id})" if reject.product_id else "")
            shown.append(f"{named}: {reject.detail}" if reject.detail else named)


def _report(catalogue: Catalogue, tally: _Tally, max_reject: float) -> CheckReport:
    counts, rejected = tally.counts, tally.rejects.total()
    rows = catalogue.row_count
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
        examples=tally.examples,
        warnings=_warnings(catalogue, counts),
        refused=not counts["embeddable"] or rejected / rows > max_reject,
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
    if mapping.left_out:
        warnings.append(f"columns not used: {', '.join(mapping.left_out)}")
    for name, what in (
        ("without_text", "have no text"),
        ("without_image", "have no usable picture"),
        ("equal_products", "repeat another's text and picture"),
        ("small_images", f"have a picture with a side below {SMALL_PIXELS} pixels"),
    ):
        share = counts[name] / embeddable
        if share >= 0.2 and not (name == "without_text" and not mapping.texts):
            warnings.append(f"{share:.0%} of the products {what}")
    return warnings
