"""Small pictures of the products that are compared, kept in a temporary file."""

import tempfile
import weakref
from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np
import numpy.typing as npt
from PIL import Image
from tqdm import tqdm

from prodmatch.catalogue.pictures.images import PICTURE_SECONDS, UnusableImage, decode_image
from prodmatch.catalogue.reader import Catalogue
from prodmatch.engines.local import IsolatedPool
from prodmatch.matching.listings.numbered_listings import Ints
from prodmatch.matching.picture_registration import SIDE
from prodmatch.progress import bars_off

BYTES = SIDE * SIDE * 3
NONE = -1


class PairPictures:
    """The small pictures of the rows of one side; each is read from the catalogue once."""

    def __init__(self, catalogue: Catalogue, product_ids: Sequence[str]) -> None:
        """Takes the catalogue that has the pictures, and the ids of the rows."""
        self._catalogue, self._product_ids = catalogue, product_ids
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as this
        weakref.finalize(self, self._file.close)
        self._count = 0
        self._position = np.full(len(product_ids), NONE, np.int64)
        self._read = np.zeros(len(product_ids), np.bool_)

    def read(self, rows: Ints) -> None:
        """Reads the pictures of rows that are not read yet.

        Raises:
            CatalogueError: the catalogue cannot be read.
        """
        rows = np.unique(rows)
        rows = rows[~self._read[rows]]
        self._read[rows] = True
        names = {self._product_ids[row]: row for row in rows.tolist()}
        progress = tqdm(total=len(names), desc="pictures", unit="picture", disable=bars_off())
        pool = IsolatedPool(partial(shrink, side=SIDE), 1, PICTURE_SECONDS)
        with progress, pool:
            for found, pictures in self._iterate(names):
                for row, small in zip(found, pool.map(pictures), strict=True):
                    if isinstance(small, bytes):
                        self._file.seek(self._count * BYTES)
                        self._file.write(small)
                        self._position[row] = self._count
                        self._count += 1
                progress.update(len(found))
        self._file.flush()

    def there(self, rows: Ints) -> npt.NDArray[np.bool_]:
        """Which rows have a picture that is read."""
        return np.asarray(self._position[rows] != NONE)

    def unread(self) -> Ints:
        """The rows whose pictures were sought, and are not there or cannot be read; ascending."""
        return np.flatnonzero(self._read & (self._position == NONE))

    def take(self, rows: Ints) -> npt.NDArray[np.uint8]:
        """The pictures `(n, SIDE, SIDE, 3)` of rows that have one."""
        if not len(rows):
            return np.zeros((0, SIDE, SIDE, 3), np.uint8)
        stored = np.memmap(self._file, np.uint8, "r", shape=(self._count, SIDE, SIDE, 3))
        return np.asarray(stored[self._position[rows]])

    def _iterate(self, names: dict[str, int]) -> Iterator[tuple[list[int], list[bytes]]]:
        """Rows with their first pictures, by the groups of the catalogue's files."""
        for place, ids in self._catalogue.ids_by_group():
            wanted = {each for each in ids if each in names}
            if wanted:
                found = self._catalogue.find_all_pictures(wanted, [place])
                yield [names[each] for each in found], [each[0] for each in found.values()]


def shrink(data: bytes, side: int) -> bytes | None:
    """A picture as a square of RGB pixels, whatever its shape; None if it cannot be used."""
    try:
        picture = decode_image(data, lambda _: (2 * side, 2 * side))
    except UnusableImage:
        return None
    return picture.resize((side, side), Image.Resampling.BOX).tobytes()
