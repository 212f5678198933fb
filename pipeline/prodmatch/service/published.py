"""The generation that a service answers from; it goes over to newer ones while it answers."""

import gc
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
        """Goes over to what was published since; True if there was something.

        One that cannot be opened is logged once, and the old one stays open.
        """
        with self._refreshing:
            try:
                changed = self._open() if self._index is None else self._index.reload_if_changed()
            except StoreError:
                return False
            except (ProdmatchError, OSError) as error:
                if not self.failed:
                    logger.error("the newest generation is not used: %s", error)
                self.failed = True
                return False
            self.failed = False
            if changed:
                logger.info("generation %d is open", self._number)
                gc.collect()  # the arrays of the old one lie in a cycle
            return changed

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
