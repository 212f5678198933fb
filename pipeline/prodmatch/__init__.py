"""Match products by fused text and image embeddings.

`open_index(store)` gives a published index to ask; `build.build` makes one. Names are
imported when they are first used, so that `import prodmatch` costs nothing.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from prodmatch.search.hits import Hit
    from prodmatch.search.product_index import ProductIndex, open_index
    from prodmatch.search.queries import Query

__all__ = ["Hit", "ProductIndex", "Query", "__version__", "open_index"]
__version__ = "0.1.0"

HOMES = {
    "Hit": "search.hits",
    "ProductIndex": "search.product_index",
    "Query": "search.queries",
    "open_index": "search.product_index",
}


def __getattr__(name: str) -> object:
    if name not in HOMES:
        raise AttributeError(f"module 'prodmatch' has no attribute {name!r}")
    return getattr(importlib.import_module(f"prodmatch.{HOMES[name]}"), name)
