"""Small pictures of products, read from the catalogue and kept for a while."""

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Collection
from functools import cached_property

import numpy as np
import numpy.typing as npt

from prodmatch.catalogue.reader import Catalogue, GroupPlace
from prodmatch.errors import ProdmatchError
from prodmatch.service.decoding import PictureDecoder

SIDE = 320  # pixels of the longer side: 160 on a screen of two pixels a point
MOST_BYTES = 64 << 20  # of all that are kept
MOST_AT_ONCE = 64  # that are read in one pass over the catalogue

logger = logging.getLogger(__name__)


class PictureFinder:
    """Finds pictures in a catalogue whose ids it reads once, in twelve bytes a product."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._places: list[GroupPlace] = []

    def find(self, product_ids: Collection[str]) -> dict[str, bytes]:
        """The first usable picture of each of these products by id, where there is one.

        Raises:
            CatalogueError: a file is gone, or another one than it was.
        """
        hashes, groups = self._index
        wanted = np.array([hash(each) for each in product_ids], np.int64)
        starts, ends = (np.searchsorted(hashes, wanted, side) for side in ("left", "right"))
        numbers = {
            int(group)
            for start, end in zip(starts, ends, strict=True)
            for group in groups[start:end]
        }
        places = {self._places[number] for number in numbers}
        found = self._catalogue.find_all_pictures(product_ids, places) if places else {}
        return {name: pictures[0] for name, pictures in found.items()}

    @cached_property
    def _index(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int32]]:
        """The hashes of all ids, ascending, and the number of the row group of each."""
        self._places = []
        hashes = [np.zeros(0, np.int64)]
        for place, names in self._catalogue.ids_by_group():
            self._places.append(place)
            hashes.append(np.array([hash(each) for each in names if each is not None], np.int64))
        sizes = [len(each) for each in hashes[1:]]
        numbers = np.repeat(np.arange(len(sizes), dtype=np.int32), sizes)
        joined = np.concatenate(hashes)
        order = np.argsort(joined, kind="stable")
        return joined[order], numbers[order]


class ProductPictures:
    """Thumbnails by product id; any number of threads may share it.

    Threads that want some at once have them read in one pass: a row group holds many.
    """

    def __init__(self, open_catalogue: Callable[[], Catalogue], decoder: PictureDecoder) -> None:
        self._open_catalogue = open_catalogue
        self._decoder = decoder
        self._lock = threading.Lock()
        self._reading = threading.Lock()
        self._finder: PictureFinder | None = None
        self._failed = False
        self._wanted: dict[str, None] = {}
        self._kept: OrderedDict[str, bytes | None] = OrderedDict()
        self._bytes = 0

    def thumbnail(self, product_id: str) -> bytes | None:
        """A WebP, None where there is no picture that can be used."""
        with self._lock:
            if product_id in self._kept:
                self._kept.move_to_end(product_id)
                return self._kept[product_id]
            self._wanted[product_id] = None
        with self._reading:
            with self._lock:
                if product_id in self._kept:
                    return self._kept[product_id]
                chosen = list(self._wanted)[-MOST_AT_ONCE:]
                self._wanted = {}
            found = self._read({*chosen, product_id})
            self._keep(found)
        return found[product_id]

    def forget(self) -> None:
        """Reads the catalogue anew from now on: another generation is published."""
        with self._reading, self._lock:
            self._finder, self._failed = None, False
            self._kept, self._bytes = OrderedDict(), 0

    def _read(self, product_ids: set[str]) -> dict[str, bytes | None]:
        """A thumbnail of each product, or None."""
        found: dict[str, bytes] = {}
        if not self._failed:
            try:
                self._finder = self._finder or PictureFinder(self._open_catalogue())
                found = self._finder.find(product_ids)
            except ProdmatchError as error:
                self._failed = True  # until the next generation
                logger.warning("no pictures are shown: %s", error)
        return {
            name: self._decoder.make_thumbnail(found[name], SIDE) if name in found else None
            for name in product_ids
        }

    def _keep(self, found: dict[str, bytes | None]) -> None:
        with self._lock:
            for name, webp in found.items():
                self._bytes += len(webp or b"") + len(name) + 100 if name not in self._kept else 0
                self._kept[name] = webp
            while self._bytes > MOST_BYTES:
                name, webp = self._kept.popitem(last=False)
                self._bytes -= len(webp or b"") + len(name) + 100
