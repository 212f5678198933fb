"""The README of a generation: how another program reads it."""

from collections.abc import Mapping

from prodmatch.model.hubness import QUERY_WEIGHT

__all__ = ["generation_readme"]

MANUAL = """\
# A prodmatch generation

{products} products, made with the model `{model}` ({fingerprint}).
Everything here is listed with its size and SHA-256 in `manifest.json`.

| file | what |
|---|---|
| `index.faiss` | FAISS inner-product index ({type}, {dim} dimensions); id = row of the next |
| `products.parquet` | `product_id`, `has_text`, `has_image`, `text`, and the catalogue's columns |
| `products.sqlite` | the same with filters and full-text search, for `prodmatch query` |
| `encoders/` | query encoders as ONNX with their tokenizer; `encoders.json` says how to use them |

A vector is `[text half ; image half]`, {half} dimensions each. Both parts lie in one shared
space: each is of unit length before the whole is scaled to unit length, and a product without
text, or without a picture, has zeros in that half. A score is an inner product: higher is better.
The first number of a picture's half is below 0 where the picture is near to texts of any kind;
a text that asks for pictures says {say:.4f} there, and so finds these hubs less.

## Nearest products with faiss and pyarrow alone

```python
import faiss
import pyarrow.parquet as pq

index = faiss.read_index("index.faiss")
products = pq.read_table("products.parquet")
row = 0  # products like the one in this row
scores, rows = index.search(index.reconstruct(row).reshape(1, -1), 5)
for score, found in zip(scores[0], rows[0]):
    print(f"{{score:.3f}}", products["product_id"][int(found)].as_py())
```

## A text query with onnxruntime

```python
import json

import faiss
import numpy as np
import onnxruntime
import pyarrow.parquet as pq
from tokenizers import Tokenizer

settings = json.load(open("encoders/encoders.json"))
tokenizer = Tokenizer.from_file("encoders/tokenizer.json")
tokenizer.enable_truncation(settings["max_tokens"])
read = settings["text"]  # of a long query the first words alone; all where this says none
asked = " ".join("red t-shirt".split()[: read.get("query_words")])
words = tokenizer.encode(read["query_prefix"] + asked)
inputs = {{"ids": np.array([words.ids]), "mask": np.array([words.attention_mask])}}
half = onnxruntime.InferenceSession("encoders/text.onnx").run(None, inputs)[0]
looked = half * (1 - {say:.4f}**2) ** 0.5
looked[:, 0] = {say:.4f}
query = np.concatenate([0.5 * half, 0.5 * looked], axis=1)  # weights of text and picture
scores, rows = faiss.read_index("index.faiss").search(query, 5)
products = pq.read_table("products.parquet")
for score, found in zip(scores[0], rows[0]):
    print(f"{{score:.3f}}", products["product_id"][int(found)].as_py())
```
"""


def generation_readme(entries: Mapping[str, object]) -> str:
    """The text of `README.md` for a generation with these manifest entries."""
    dim = int(str(entries["dim"]))
    return MANUAL.format(
        products=entries["products"],
        model=entries["model"],
        fingerprint=str(entries["model_fingerprint"])[:12],
        type=entries["type"],
        dim=dim,
        half=dim // 2,
        say=QUERY_WEIGHT,
    )
