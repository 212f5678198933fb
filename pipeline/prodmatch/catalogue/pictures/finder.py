"""Pictures of single products, found again and again: which row group each is in is remembered."""

from collections.abc import Collection
from functools import cached_property

import numpy as np
import numpy.typing as npt

from prodmatch.catalogue.reader import Catalogue, GroupPlace


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
