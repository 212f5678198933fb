"""Generated nights: every fault above the limits is refused, and no honest night is."""

import random
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import Counting
from small import COLOURS, SCHEMA, draw, product
from tiny import embed_tiny, save_query_encoders

from prodmatch.embed import EmbedSettings
from prodmatch.errors import CatalogueError
from prodmatch.model.description import Model
from prodmatch.storage.embeddings import open_embeddings

STRICT = EmbedSettings(device="cpu", workers=0, max_reject=1.0)
Table = dict[str, list[object]]
Change = Callable[[Table, random.Random], Table]


def row_count(table: Table) -> int:
    return len(table["product_id"])


def keep(table: Table, rows: list[int]) -> Table:
    return {name: [values[row] for row in rows] for name, values in table.items()}


def put(table: Table, name: str, rows: list[int], value: Callable[[int], object]) -> Table:
    """The table with other values of a column in these rows."""
    chosen = set(rows)
    new = [value(row) if row in chosen else old for row, old in enumerate(table[name])]
    return {**table, name: new}


def too_many(table: Table, name: str, share: float, rng: random.Random) -> list[int]:
    """More of the rows that have a value than a share of all allows."""
    filled = [row for row, value in enumerate(table[name]) if value]
    fewest = int(share * row_count(table)) + 1
    return rng.sample(filled, rng.randint(fewest, len(filled)))


def few(table: Table, share: float, rng: random.Random) -> list[int]:
    count = row_count(table)
    return rng.sample(range(count), rng.randint(0, int(share * count)))


def rename(table: Table, rng: random.Random) -> Table:
    old = rng.choice([name for name in table if name != "product_id"])
    new = rng.choice([old.title(), old.upper(), f"{old}s", f" {old}", f"product {old}", "x"])
    return {new if name == old else name: values for name, values in table.items()}


def drop(table: Table, rng: random.Random) -> Table:
    gone = rng.choice([name for name in table if name != "product_id"])
    return {name: values for name, values in table.items() if name != gone}


def retype(table: Table, rng: random.Random) -> Table:
    name = rng.choice(["price", "colour"])
    kinds: list[Callable[[int], object]] = [lambda row: row % 2 == 0, lambda row: [row]]
    kinds.append((lambda row: f"{row},99") if name == "price" else float)
    kind = rng.choice(kinds)
    return {**table, name: [kind(row) for row in range(row_count(table))]}


def cut(table: Table, rng: random.Random) -> Table:
    count = row_count(table)
    kept = rng.randint(1, count - int(0.2 * count) - 1)
    rows = [list(range(kept)), list(range(count - kept, count)), rng.sample(range(count), kept)]
    return keep(table, rng.choice(rows))


def other_ids(table: Table, rng: random.Random) -> Table:
    ways: list[Callable[[str], object]] = [
        str.upper, lambda name: name.lstrip("p"), lambda name: int(name[1:]),
        lambda name: f"shop-{name}", lambda name: f"{name}.0", lambda name: name[::-1] + "x",
    ]  # fmt: skip
    way = rng.choice(ways)
    return {**table, "product_id": [way(str(name)) for name in table["product_id"]]}


def lose_texts(table: Table, rng: random.Random) -> Table:
    rows, value = too_many(table, "title", 0.1, rng), rng.choice([None, "", " ", "N/A", "nan"])
    for name in ("title", "description"):
        table = put(table, name, rows, lambda row: value)
    return table


def empty_column(table: Table, rng: random.Random) -> Table:
    name = rng.choice(["title", "description", "colour", "price"])
    rows = [row for row, value in enumerate(table[name]) if value is not None]
    if rng.random() < 0.5:
        rows = too_many(table, name, 0.11, rng)
    return put(table, name, rows, lambda row: None)


def lose_pictures(table: Table, rng: random.Random) -> Table:
    rows = too_many(table, "image", 0.1, rng)
    stamp = draw((rng.randrange(256), 128, 128), 0)
    ways: list[Callable[[int], object]] = [
        lambda row: None, lambda row: b"", lambda row: stamp,
        lambda row: f"<html>{row}".encode(), lambda row: draw((1, 2, 3), row)[:150],
        lambda row: f"{row} is no picture".encode(), lambda row: draw((1, 2, 3), row, form="BMP"),
    ]  # fmt: skip
    return put(table, "image", rows, rng.choice(ways))


def other_prices(table: Table, rng: random.Random) -> Table:
    """Most prices of another size: as numbers, or as text that lost its point or is none."""
    rows = too_many(table, "list_price", 0.75, rng)
    if rng.random() < 0.5:
        old, times = table["price"], rng.choice([100.0, 0.01, 1000.0])
        return put(table, "price", rows, lambda row: old[row] and times * float(str(old[row])))
    texts = [str(text) for text in table["list_price"]]
    ways: list[Callable[[int], object]] = [
        lambda row: re.sub(r"\D", "", texts[row]),
        lambda row: f"{texts[row]} each",
        lambda row: "N/A",
    ]
    return put(table, "list_price", rows, rng.choice(ways))


FAULTS: dict[str, Change] = {
    "a column renamed": rename,
    "a column gone": drop,
    "a column retyped": retype,
    "rows cut": cut,
    "ids written otherwise": other_ids,
    "texts lost": lose_texts,
    "a column emptied": empty_column,
    "pictures lost": lose_pictures,
    "prices of another size": other_prices,
}


def move_prices(table: Table, rng: random.Random) -> Table:
    return put(table, "price", few(table, 1, rng), lambda row: rng.choice([9.5, 10.0, float(row)]))


def add_products(table: Table, rng: random.Random) -> Table:
    first = 1 + max(int(str(name)[1:]) for name in table["product_id"])
    for number in range(first, first + rng.randint(0, max(1, row_count(table) // 20))):
        row = product(number)
        row["list_price"] = "9.50"
        table = {name: [*values, row.get(name, "of own")] for name, values in table.items()}
    return table


def remove_products(table: Table, rng: random.Random) -> Table:
    gone = set(few(table, 0.05, rng))
    return keep(table, [row for row in range(row_count(table)) if row not in gone])


def edit_texts(table: Table, rng: random.Random) -> Table:
    name = rng.choice(["title", "description"])
    return put(table, name, few(table, 0.3, rng), lambda row: f"red lamp {row} {rng.random()}")


def draw_again(table: Table, rng: random.Random) -> Table:
    colour, form = rng.choice(list(COLOURS.values())), rng.choice(["PNG", "WEBP", "GIF"])
    rows, seed = few(table, 0.3, rng), rng.randrange(1000) * 1000
    return put(table, "image", rows, lambda row: draw(colour, seed + row, form=form))


def lose_few(table: Table, rng: random.Random) -> Table:
    name = rng.choice(["image", "description", "price"])
    return put(table, name, few(table, 0.05, rng), lambda row: None)


def add_column(table: Table, rng: random.Random) -> Table:
    return {**table, f"extra_{len(table)}": ["of own"] * row_count(table)}


def shuffle(table: Table, rng: random.Random) -> Table:
    names = rng.sample(list(table), len(table))
    return keep(
        {name: table[name] for name in names},
        rng.sample(range(row_count(table)), k=row_count(table)),
    )


def write_prices(table: Table, rng: random.Random) -> Table:
    """The prices that are text, written as another exporter does."""
    texts = [str(text) for text in table["list_price"]]
    numbers = [int(re.sub(r"\D", "", text)) / 100 for text in texts]
    form = rng.choice(["{:,.2f}", "${:,.2f}", "{:.2f} USD", "EUR {:.2f}"])
    written = [form.format(number) for number in numbers]
    if rng.random() < 0.3:
        written = [f"{number:.2f} \u20ac".replace(".", ",") for number in numbers]
    return {**table, "list_price": list(written)}


HONEST: dict[str, Change] = {
    "prices moved": move_prices,
    "prices written otherwise": write_prices,
    "products added": add_products,
    "products removed": remove_products,
    "texts edited": edit_texts,
    "pictures drawn again": draw_again,
    "few values lost": lose_few,
    "a column added": add_column,
    "another order": shuffle,
}


def save(path: Path, table: Table, rng: random.Random) -> Path:
    """The table as some exporter writes it: types as they come, row groups of any size."""
    columns = {}
    for name, values in table.items():
        known = name in SCHEMA.names and not isinstance(values[0], bool)
        kind = SCHEMA.field(name).type if known else None
        try:
            columns[name] = pa.array(values, kind)
        except (pa.ArrowInvalid, pa.ArrowTypeError):  # of another type tonight
            columns[name] = pa.array(values)
        if pa.types.is_string(columns[name].type):
            large, coded = columns[name].cast(pa.large_string()), columns[name].dictionary_encode()
            columns[name] = rng.choice([columns[name], large, coded])
    pq.write_table(pa.table(columns), path, row_group_size=rng.randint(5, 200))
    return path


def run_nights(store: Path, tiny: Model, nights: int, seed: int) -> Counter[str]:
    """Nights one after the other, about half of them faulty; counts them by kind."""
    rng, counts = random.Random(seed), Counter[str]()
    rows = [product(number) for number in range(rng.randint(20, 80))]
    table: Table = {name: [row[name] for row in rows] for name in SCHEMA.names}
    table["list_price"] = [f"{rng.uniform(1, 3000):.2f}" for _ in rows]
    path, known = store.parent / "c.parquet", None
    for night in range(nights):
        fault = rng.choice(list(FAULTS)) if night and rng.random() < 0.5 else None
        if fault is not None:
            save(path, FAULTS[fault](table, rng), rng)
            with pytest.raises(CatalogueError, match=r"refused|column|picture|rejected"):
                embed_tiny(path, tiny, store, STRICT)
            embeddings = open_embeddings(store / "embeddings")
            assert embeddings is not None
            assert embeddings.digest == known, fault
            counts[fault] += 1
            continue
        for name in rng.sample(list(HONEST), rng.randint(0, 3)) if night else ():
            table = HONEST[name](table, rng)
            counts[name] += 1
        report = embed_tiny(save(path, table, rng), tiny, store, STRICT)
        assert report.rows == report.embedded + report.rejected == row_count(table)
        known = report.embeddings
        counts["honest nights let through"] += 1
    counts["faulty nights refused"] += sum(counts[name] for name in FAULTS)
    return counts


def check_nights(
    folder: Path, tiny: Model, seeds: range, nights: int, count_cases: Counting
) -> None:
    for seed in seeds:
        store = folder / str(seed) / "store"
        save_query_encoders(store, tiny)
        for name, count in run_nights(store, tiny, nights, seed).items():
            count_cases(f"nights: {name}", count)


def test_sixty_nights(quick_disk: Path, tiny: Model, count_cases: Counting) -> None:
    check_nights(quick_disk, tiny, range(3), 20, count_cases)


@pytest.mark.slow
def test_a_thousand_nights(quick_disk: Path, tiny: Model, count_cases: Counting) -> None:
    check_nights(quick_disk, tiny, range(100, 140), 25, count_cases)
