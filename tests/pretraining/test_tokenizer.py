"""The vocabulary depends on the texts alone."""

from small import products

from prodmatch.pretraining.tokenizer import train_tokenizer


def test_the_same_texts_give_the_same_tokenizer() -> None:
    texts = [str(row["title"]) for row in products(60)]
    found = [
        train_tokenizer(order, vocabulary_size=size).backend_tokenizer.to_str()
        for size in (60, 200)
        for order in (texts, texts[::-1], sorted(texts), texts)
    ]
    assert len(set(found)) == 2
    learnt = train_tokenizer(texts, vocabulary_size=200)
    assert learnt.tokenize("Red shirt ##h number 7") == [
        "red",
        "shirt",
        "[UNK]",
        "[UNK]",
        "h",
        "number",
        "7",
    ]
    assert set(learnt.get_added_vocab()) == {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"}
