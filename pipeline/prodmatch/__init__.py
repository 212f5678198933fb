"""Match products by fused text and image embeddings.

`build` brings a store up to date with a catalogue, `open_index` opens what it published for
queries. Names are imported when they are first used: `import prodmatch` costs nothing.
"""

import importlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from prodmatch.build import build
    from prodmatch.catalogue.reader import open_catalogue
    from prodmatch.model.description import open_model
    from prodmatch.search.hits import Answer, Hit
    from prodmatch.search.options import SearchOptions
    from prodmatch.search.product_index import ProductIndex, open_index
    from prodmatch.search.queries import Query

__version__ = "0.1.0"
__all__ = [
    "Answer",
    "Hit",
    "ProductIndex",
    "Query",
    "SearchOptions",
    "__version__",
    "build",
    "open_catalogue",
    "open_index",
    "open_model",
]

_HOMES = {
    "Answer": "search.hits",
    "Hit": "search.hits",
    "ProductIndex": "search.product_index",
    "Query": "search.queries",
    "SearchOptions": "search.options",
    "build": "build",
    "open_catalogue": "catalogue.reader",
    "open_index": "search.product_index",
    "open_model": "model.description",
}


class _Face(ModuleType):
    """Keeps `prodmatch.build` the function, though importing its module sets the name to that."""

    def __setattr__(self, name: str, value: object) -> None:
        is_module = name == "build" and isinstance(value, ModuleType)
        super().__setattr__(name, vars(value)[name] if is_module else value)

    def __getattr__(self, name: str) -> object:
        if name not in _HOMES:
            raise AttributeError(f"module 'prodmatch' has no attribute {name!r}")
        return getattr(importlib.import_module(f"prodmatch.{_HOMES[name]}"), name)

    def __dir__(self) -> list[str]:
        return list(__all__)


sys.modules[__name__].__class__ = _Face
