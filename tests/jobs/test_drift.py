"""Every check finds the rows that were harmed, and no other."""

import numpy as np
import pytest
from snapshots import COUNT, DIM, Change, Columns, columns, night, snapshot

from prodmatch.drift import find_signals
from prodmatch.morning.alarms import Findings
from prodmatch.morning.categories import find_shifts
from prodmatch.morning.column_checks import FEWEST_FALLS
from prodmatch.morning.content_checks import known_share
from prodmatch.morning.ordinary import Limit
from prodmatch.morning.pair import Pair, pair_snapshots
from prodmatch.storage.vectors import Vectors, normalise

ROWS = [3, 50, 100, 102, 200, 260]
NOISE = normalise(np.random.default_rng(9).normal(size=(COUNT, DIM)))


def put(name: str, value: object) -> Change:
    def change(values: Columns, text: Vectors, image: Vectors) -> None:
        for row in ROWS:
            values[name][row] = value

    return change


def scale(name: str, times: float) -> Change:
    def change(values: Columns, text: Vectors, image: Vectors) -> None:
        for row in ROWS:
            values[name][row] = type(values[name][row])(float(str(values[name][row])) * times)

    return change


def retitle(form: str) -> Change:
    """Other titles, and the vectors of other texts."""

    def change(values: Columns, text: Vectors, image: Vectors) -> None:
        for row in ROWS:
            title = form.format(values["title"][row], row=row)
            values["title"][row] = values["text"][row] = title
        text[ROWS] = normalise(text[ROWS] + 0.2 * NOISE[ROWS])

    return change


def shift_titles(values: Columns, text: Vectors, image: Vectors) -> None:
    for name in ("title", "text"):
        old = [values[name][row] for row in ROWS]
        for row, title in zip(ROWS, old[-1:] + old[:-1], strict=True):
            values[name][row] = title
    text[ROWS] = np.roll(text[ROWS], 1, axis=0)


def shift_pictures(values: Columns, text: Vectors, image: Vectors) -> None:
    image[ROWS] = np.roll(image[ROWS], 1, axis=0)


def one_picture(values: Columns, text: Vectors, image: Vectors) -> None:
    image[ROWS] = NOISE[0]


def blank_pictures(values: Columns, text: Vectors, image: Vectors) -> None:
    image[ROWS] = normalise(NOISE[:1] + 0.02 * NOISE[ROWS])


def lose_pictures(values: Columns, text: Vectors, image: Vectors) -> None:
    image[ROWS] = 0
    put("has_image", False)(values, text, image)


def lose_texts(values: Columns, text: Vectors, image: Vectors) -> None:
    text[ROWS] = 0
    for name, value in (("has_text", False), ("text", None), ("title", None)):
        put(name, value)(values, text, image)


def swap_columns(values: Columns, text: Vectors, image: Vectors) -> None:
    for row in ROWS:
        values["colour"][row], values["type"][row] = values["type"][row], values["colour"][row]


def relabel(values: Columns, text: Vectors, image: Vectors) -> None:
    for row in ROWS:
        values["type"][row] = "mug" if values["type"][row] == "boot" else "boot"


def rename(values: Columns, text: Vectors, image: Vectors) -> None:
    for row in ROWS:
        values["product_id"][row] = f"new-{row}"


def rename_type(values: Columns, text: Vectors, image: Vectors) -> None:
    values["type"] = ["cup" if each == "mug" else each for each in values["type"]]


def merge_types(values: Columns, text: Vectors, image: Vectors) -> None:
    values["type"] = ["lamp" if each == "mug" else each for each in values["type"]]


def other_encoder(values: Columns, text: Vectors, image: Vectors) -> None:
    text[ROWS] = normalise(text[ROWS] + NOISE[ROWS])


HARMS: dict[str, tuple[Change, str]] = {
    "cents": (scale("price", 100), "jumped:price"),
    "a fifth": (scale("price", 0.1), "jumped:price"),
    "free": (put("price", 0.0), "below:price"),
    "no price": (put("price", None), "lost:price"),
    "one price": (put("price", 9.99), "one_value:price"),
    "another unit": (scale("stock", 1000), "scaled:stock"),
    "below zero": (scale("stock", -1), "negative:stock"),
    "no colour": (put("colour", "N/A"), "lost:colour"),
    "one type": (put("type", "lamp"), "one_value:type"),
    "codes": (put("colour", "017"), "new_values:colour"),
    "types of others": (relabel, "unlikely:type"),
    "swapped": (swap_columns, "swapped"),
    "shifted titles": (shift_titles, "moved:title"),
    "shifted titles against pictures": (shift_titles, "mismatched"),
    "shifted pictures": (shift_pictures, "moved:picture"),
    "cut": (retitle("{0:.6}"), "cut:title"),
    "markup": (retitle("<b>{0}</b>"), "damaged:title"),
    "entities": (retitle("{0} &amp; co"), "damaged:title"),
    "another language": (retitle("großes schönes Hemd für den Herrn {row}"), "strange:title"),
    "one title": (retitle("Free delivery today"), "repeated:title"),
    "a placeholder": (one_picture, "repeated:picture"),
    "blank pictures": (blank_pictures, "repeated:picture"),
    "no pictures": (lose_pictures, "lost:picture"),
    "no texts": (lose_texts, "lost:text"),
    "other ids": (rename, "renamed"),
    "another encoder": (other_encoder, "vectors"),
}


def rows_of(pair: Pair, name: str) -> list[str]:
    (signal,) = (each for each in find_signals(pair) if each.name == name)
    return sorted((pair.last if signal.gone else pair.tonight).ids(signal.rows))


@pytest.mark.parametrize("kind", HARMS)
def test_a_harm_is_found_in_the_rows_that_have_it(kind: str) -> None:
    change, name = HARMS[kind]
    pair = night(change)
    found, harmed = rows_of(pair, name), [f"p{row:03d}" for row in ROWS]
    if kind == "other ids":
        harmed = sorted(f"new-{row}" for row in ROWS)
    if kind in ("one type", "shifted titles against pictures", "types of others"):
        assert set(found) <= {*harmed}  # some were lamps before, or are like the other product
        assert len(found) >= 2
    else:
        assert found == harmed


def test_a_night_without_a_change_has_nothing_to_name() -> None:
    pair = night(lambda values, text, image: None)
    assert [each.name for each in find_signals(pair) if len(each.rows)] == []
    assert not pair.changed.any()
    assert find_shifts(pair) == []


@pytest.mark.parametrize(
    "text", ['"Gr\u00fcner Stuhl"', "Gru\u0308ner Stuhl!", "<b>Gr&uuml;ner</b> (Stuhl)"]
)
def test_words_written_otherwise_are_no_other_words(text: str) -> None:
    assert known_share({"gr\u00fcner", "stuhl"}, text) == 1


def test_signs_around_every_word_are_no_other_words() -> None:
    def quote(values: Columns, text: Vectors, image: Vectors) -> None:
        for row in range(COUNT):
            values["title"][row] = " ".join(
                f"'{each}'" for each in str(values["title"][row]).split()
            )

    def translate(values: Columns, text: Vectors, image: Vectors) -> None:
        quote(values, text, image)
        retitle("gro\u00dfes sch\u00f6nes Hemd f\u00fcr den Herrn {row}")(values, text, image)

    assert rows_of(night(quote), "strange:title") == []
    pair = pair_snapshots(night(quote).tonight, night(translate).tonight)
    assert rows_of(pair, "strange:title") == [f"p{row:03d}" for row in ROWS]


def test_products_listed_twice_are_named_by_their_new_ids() -> None:
    text, image = night(lambda values, text, image: None).last.vectors.parts(np.arange(COUNT))
    again = [*range(COUNT), *ROWS]
    values = {name: [each[row] for row in again] for name, each in columns().items()}
    values["product_id"][COUNT:] = [f"again-{row}" for row in ROWS]
    tonight = snapshot(values, text[again], image[again], 2)
    pair = pair_snapshots(snapshot(columns(), text, image), tonight)
    assert rows_of(pair, "twice") == sorted(f"again-{row}" for row in ROWS)


def test_products_that_were_there_twice_already_are_no_news_where_their_texts_change() -> None:
    text, image = night(lambda values, text, image: None).last.vectors.parts(np.arange(COUNT))
    again = [*range(COUNT), *ROWS]
    values = {name: [each[row] for row in again] for name, each in columns().items()}
    values["product_id"][COUNT:] = [f"again-{row}" for row in ROWS]
    last = snapshot(values, text[again], image[again], 1)
    texts = [f"{each} of ours" for each in values["text"]]
    texts[COUNT] = texts[7]  # of the copy of another product
    images = image[again]
    images[COUNT] = images[7]
    tonight = snapshot({**values, "text": texts}, text[again], images, 2)
    pair = pair_snapshots(last, tonight)
    assert rows_of(pair, "twice") == [f"again-{ROWS[0]}", "p007"]


def test_a_category_that_vanished_is_named_by_what_is_gone() -> None:
    gone = [row for row in range(COUNT) if row % 5 == 2]
    pair = night(lambda values, text, image: None, removed=gone)
    assert rows_of(pair, "vanished:type") == [f"p{row:03d}" for row in gone]
    assert rows_of(pair, "vanished:colour") == []


def names_of(pair: Pair) -> list[str]:
    return [each.name for each in find_signals(pair) if len(each.rows)]


@pytest.mark.parametrize(("change", "new"), [(rename_type, "cup"), (merge_types, "lamp")])
def test_a_label_under_another_name_is_one_signal_that_has_both_names(
    change: Change, new: str
) -> None:
    pair = night(change)
    mugs = [f"p{row:03d}" for row in range(COUNT) if row % 5 == 1]
    assert names_of(pair) == ["renamed_value:type"]
    assert rows_of(pair, "renamed_value:type") == mugs
    (signal,) = (each for each in find_signals(pair) if each.name == "renamed_value:type")
    assert signal.text.endswith(f"('mug' is '{new}' now)")


def test_a_label_that_some_of_its_products_changed_is_not_under_another_name() -> None:
    def change(values: Columns, text: Vectors, image: Vectors) -> None:
        for row in [row for row in range(COUNT) if row % 5 == 1][:50]:  # of 60
            values["type"][row] = "cup"

    assert rows_of(night(change), "renamed_value:type") == []
    assert len(rows_of(night(change), "new_values:type")) == 50


def test_values_that_changed_places_are_one_signal_that_has_both_columns() -> None:
    pair = night(swap_columns)
    assert names_of(pair) == ["swapped"]
    (signal,) = (each for each in find_signals(pair) if each.name == "swapped")
    assert signal.text.endswith("('colour' and 'type')")
    limits = {each.name: Limit(0.0, 0) for each in find_signals(pair)}
    row = Findings(pair, [signal], limits, []).rows()[0]
    colour, kind = (pair.last.products[name][ROWS[0]].as_py() for name in ("colour", "type"))
    assert row.before == f"colour: {colour}; type: {kind}"
    assert row.after == f"colour: {kind}; type: {colour}"


def test_a_category_under_other_ids_has_not_vanished() -> None:
    def change(values: Columns, text: Vectors, image: Vectors) -> None:
        for row in range(2, COUNT, 5):
            values["product_id"][row] = f"new-{row}"

    pair = night(change)
    assert rows_of(pair, "vanished:type") == []
    assert len(rows_of(pair, "renamed")) == COUNT // 5


def many_stocks(values: Columns) -> None:
    values["stock"] = [1 + row % 30 for row in range(COUNT)]


def test_a_stock_that_falls_to_0_from_much_is_told_from_what_sold_out() -> None:
    last, tonight = columns(), columns()
    for each in (last, tonight):
        many_stocks(each)
    full, low = [20, 55, 89], [0, 31, 62]  # 21, 26 and 30; 1, 2 and 3
    for row in (*full, *low):
        tonight["stock"][row] = 0
    text, image = night(lambda values, text, image: None).last.vectors.parts(np.arange(COUNT))
    pair = pair_snapshots(snapshot(last, text, image), snapshot(tonight, text, image, 2))
    assert rows_of(pair, "zeroed:stock") == [f"p{row:03d}" for row in full]


def test_a_stock_of_0_is_told_by_what_others_fell_by() -> None:
    last, tonight = columns(), columns()
    for each in (last, tonight):
        many_stocks(each)
    falls = [row for row in range(COUNT) if row % 30 >= 20]  # of 21 to 30, by 1
    assert len(falls) >= FEWEST_FALLS
    for row in falls:
        tonight["stock"][row] -= 1
    for row in (0, 1, 2):  # of 1, 2 and 3
        tonight["stock"][row] = 0
    text, image = night(lambda values, text, image: None).last.vectors.parts(np.arange(COUNT))
    pair = pair_snapshots(snapshot(last, text, image), snapshot(tonight, text, image, 2))
    assert rows_of(pair, "zeroed:stock") == ["p001", "p002"]


def test_a_rating_of_few_steps_may_fall_to_0() -> None:
    assert rows_of(night(put("stock", 0)), "zeroed:stock") == []  # seven different numbers


def test_products_unlike_all_others_are_named() -> None:
    def change(values: Columns, text: Vectors, image: Vectors) -> None:
        for row in ROWS:
            values["product_id"][row] = f"foreign-{row}"
            values["text"][row] = values["title"][row] = f"crane {row}"
        text[ROWS] = image[ROWS] = NOISE[ROWS]

    found = rows_of(night(change), "foreign")
    assert set(found) <= {f"foreign-{row}" for row in ROWS}
    assert len(found) >= 3


def test_a_category_whose_pictures_moved_is_told_from_the_others() -> None:
    rows = [row for row in range(COUNT) if row % 5 == 1][:40]

    def change(values: Columns, text: Vectors, image: Vectors) -> None:
        image[rows] = normalise(image[rows] + NOISE[rows])

    found = [each.figures for each in find_shifts(night(change))]
    (significant,) = (each for each in found if each.significant)
    assert (significant.column, significant.category, significant.part) == (
        "type",
        "mug",
        "picture",
    )
    assert (significant.products, significant.moved) == (60, 40)
    assert 0.3 < significant.cosine < 0.9
