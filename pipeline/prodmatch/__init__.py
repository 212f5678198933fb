"""Match products by fused text and image embeddings.

A short tour:

    import prodmatch

    # Every night: what is new in the catalogue is encoded, indexed and published.
    report = prodmatch.build("catalogue.parquet", "store")

    # Queries: light, shared by threads; `reload_if_changed` goes over to the next night.
    index = prodmatch.open_index("store")
    hits = index.search("red t-shirt", where="price < 30", top=5)
    hits[0].product_id, hits[0].score, hits[0].metadata["title"]
    hits.to_pandas()  # a table; a notebook shows `hits` itself as one, with pictures

    index.search(image="photo.jpg")  # like a picture: a path, bytes or one of Pillow's
    index.search("blue", image="photo.jpg")  # like it, but blue
    index.search(like=hits[0].product_id)  # like a product
    index.search("mug", one_per="brand", facets=["colour"], offset=10)  # a page of a shop
    index.answer([prodmatch.Query("a", "mug"), prodmatch.Query("b", "lamp")])  # in batches

    # Vectors of unit length, for programs of your own: inner products are cosines.
    index.encode("red t-shirt") @ index.vector(hits[0].product_id)

A catalogue is a Parquet file, or a directory of them, with `product_id` and at least one of
`title`, `description` and `image`; `open_catalogue` checks one, and `CatalogueOptions` says how
another is read. What goes wrong for a reason that a caller can mend is a `ProdmatchError` with one
message; the classes are in `prodmatch.errors`. Other jobs are modules that are named like their
commands: `prodmatch.export`, `prodmatch.recommend`, `prodmatch.explain`, `prodmatch.train`.

Names are imported when they are first used: `import prodmatch` costs nothing.
"""

import importlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from prodmatch.build import BuildSettings, build
    from prodmatch.catalogue.reader import CatalogueOptions, open_catalogue
    from prodmatch.errors import ProdmatchError
    from prodmatch.model.description import open_model
    from prodmatch.search.answers.hits import Answer, Hit
    from prodmatch.search.answers.results import SearchResult
    from prodmatch.search.options import SearchOptions
    from prodmatch.search.product_index import ProductIndex, open_index
    from prodmatch.search.queries import Query

__version__ = "0.1.0"
__all__ = [
    "Answer",
    "BuildSettings",
    "CatalogueOptions",
    "Hit",
    "ProdmatchError",
    "ProductIndex",
    "Query",
    "SearchOptions",
    "SearchResult",
    "__version__",
    "build",
    "open_catalogue",
    "open_index",
    "open_model",
]

_HOMES = {
    "Answer": "search.answers.hits",
    "BuildSettings": "build",
    "CatalogueOptions": "catalogue.reader",
    "Hit": "search.answers.hits",
    "ProdmatchError": "errors",
    "ProductIndex": "search.product_index",
    "Query": "search.queries",
    "SearchOptions": "search.options",
    "SearchResult": "search.answers.results",
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
