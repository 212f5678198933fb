"""The generation that a service answers from; it goes over to newer ones while it answers."""

import logging
import threading
from pathlib import Path

from prodmatch.errors import ProdmatchError, StoreError
from prodmatch.search.product_index import ProductIndex, open_index
from prodmatch.search.searcher import Searcher

logger = logging.getLogger(__name__)


class Published:
    """What a store has published; any number of threads may share it."""

    def __init__(self, store: Path) -> None:
        """Opens it; a store without a generation is waited for.

        Raises:
            DamagedError: a file is not what the manifest says.
        """
        self.store = store
        self.failed = False  # whether the newest generation could not be opened
        self.gone = False  # whether the files of the open generation are not there any more
        self._index: ProductIndex | None = None
        self._refreshing = threading.Lock()
        try:
            self._open()
        except StoreError as error:
            logger.warning("nothing is published yet (%s); it is waited for", error)

    @property
    def searcher(self) -> Searcher | None:
        """The generation that is open now, None where there is none.

        What takes it once answers from this one generation, whatever is published meanwhile.
        """
        index = self._index
        return None if index is None else index.searcher

    def refresh(self) -> bool:
        """Goes over to what was published since; True if there was something, or is again.

        One that cannot be opened is logged once, and the old one stays open; so is that the files
        of the open one are gone.
        """
        with self._refreshing:
            changed = self._follow()
            back = self._look_after_files()
        return changed or back

    def _follow(self) -> bool:
        try:
            changed = self._open() if self._index is None else self._index.reload_if_changed()
        except StoreError:
            return False
        except (ProdmatchError, OSError, MemoryError) as error:
            if not self.failed:
                logger.error("the newest generation is not used: %s", error)
            self.failed = True
            return False
        self.failed = False
        if changed:
            logger.info("generation %d is open", self._number)
        return changed

    def _look_after_files(self) -> bool:
        """Sees whether the open generation is there; True where it is there again.

        A disk may be taken away, or a folder removed.
        """
        if self._index is None:
            return False
        folder, before = self._index.generation.folder, self.gone
        try:
            (folder / "manifest.json").stat()
            self.gone = False
        except OSError as error:
            self.gone = True
            if not before:
                logger.error("%s: is gone (%s); it is waited for", folder, error.strerror)
        if before and not self.gone:
            logger.info("generation %d is there again", self._number)
            return True
        return False

    def close(self) -> None:
        """Closes the files."""
        if self._index is not None:
            self._index.close()

    def _open(self) -> bool:
        self._index = open_index(self.store)
        logger.info("generation %d is open", self._number)
        return True

    @property
    def _number(self) -> int:
        return self._index.generation.number if self._index is not None else 0
