"""Rows to train small encoders on, and the shape of these."""

import pyarrow as pa
from small import COLOURS, KINDS, draw

from prodmatch.pretraining.dual_encoder import EncoderShape

SHAPE = EncoderShape(
    vocabulary_size=200, max_tokens=16, hidden_size=32, layer_count=1, attention_heads=2, dim=16
)


def training_rows(count: int) -> pa.Table:
    rows = [
        {
            "product_id": str(number),
            "title": f"{list(COLOURS)[number % 3]} {KINDS[number % 5]}",
            "colour": list(COLOURS)[number % 3],
            "type": KINDS[number % 5],
            "image": draw(list(COLOURS.values())[number % 3], number, side=32),
            "split": "val" if number % 5 == 0 else "train",
        }
        for number in range(count)
    ]
    return pa.Table.from_pylist(rows)
