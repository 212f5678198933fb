"""What is given to a public function in another type is named, and so is what to give."""

import io
import pickle
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest
from small import products, write

import prodmatch
from prodmatch import BuildSettings, CatalogueOptions, ProdmatchError, ProductIndex, open_index
from prodmatch.errors import StoreError

WRONG = [
    5, b"x", {"a": "b"}, object(), io.BytesIO(b""), True, len, ["a.parquet", 1],
    pd.DataFrame({"product_id": ["1"]}), pa.table({"product_id": ["1"]}),
]  # fmt: skip
Call = Callable[[Path, object], object]
CALLS: dict[str, Call] = {
    "model": lambda catalogue, value: prodmatch.open_model(value),  # type: ignore[arg-type]
    "catalogue": lambda catalogue, value: prodmatch.open_catalogue(value),  # type: ignore[arg-type]
    "options": lambda catalogue, value: prodmatch.open_catalogue(catalogue, value),  # type: ignore[arg-type]
    "store": lambda catalogue, value: prodmatch.build(catalogue, value),  # type: ignore[arg-type]
    "settings": lambda catalogue, value: prodmatch.build(
        catalogue,
        catalogue.parent / "s",
        settings=value,  # type: ignore[arg-type]
    ),
    "image_root": lambda catalogue, value: prodmatch.open_catalogue(
        catalogue,
        CatalogueOptions(image_root=value),  # type: ignore[arg-type]
    ),
    **{
        name: lambda catalogue, value, name=name: prodmatch.open_catalogue(  # type: ignore[misc]
            catalogue, CatalogueOptions(**{name: value})
        )
        for name in ("text_columns", "leave_out", "left_out_before")
    },
    "columns": lambda catalogue, value: prodmatch.open_catalogue(
        catalogue,
        CatalogueOptions(columns={"title": value}),  # type: ignore[dict-item]
    ),
}


@pytest.mark.parametrize("name", CALLS)
def test_a_value_of_another_type_is_named_with_what_to_give(name: str, tmp_path: Path) -> None:
    catalogue = write(tmp_path / "catalogue.parquet", products(3))
    for value in WRONG:
        with pytest.raises(ProdmatchError) as error:
            CALLS[name](catalogue, value)
        message = str(error.value)
        assert message.startswith(f"`{name}`: "), message
        assert " is of the type " in message, message
        assert " Give " in message, message
    assert [path.name for path in tmp_path.iterdir()] == [catalogue.name]
    assert BuildSettings()


def test_weights_are_numbers_by_the_names_of_signals(published: Path) -> None:
    with open_index(published) as index:
        for weights in (5, ["text"], {"text": "1"}, {"text": None}, {3: 1.0}):
            with pytest.raises(ProdmatchError, match=r"^`weights`: "):
                index.encode("red", weights=weights)  # type: ignore[arg-type]


def test_an_index_for_another_process_is_opened_there(published: Path) -> None:
    with open_index(published) as index, pytest.raises(TypeError, match=r"open it there: open_in"):
        pickle.dumps(index)


def test_a_closed_index_stays_closed(published: Path) -> None:
    index = open_index(published)
    index.close()
    calls: list[Callable[[ProductIndex], object]] = [
        lambda index: index.reload_if_changed(),
        lambda index: index.search("red"),
        lambda index: index.vector("p0001"),
    ]
    for call in calls:
        with pytest.raises(StoreError, match=r"is closed\. Open the index again\.$"):
            call(index)
