"""The baseline of `ask.py`: a text query by sentence-transformers, FAISS and pandas."""

import sys

import faiss
import pandas as pd
from sentence_transformers import SentenceTransformer

generation, encoder, text = sys.argv[1:]
model = SentenceTransformer(encoder, device="cpu", model_kwargs={"dtype": "float32"})
index = faiss.read_index(f"{generation}/index.faiss")
products = pd.read_parquet(f"{generation}/products.parquet", columns=["product_id", "title"])
vector = model.encode([text], normalize_embeddings=True)
query = vector.repeat(-(-index.d // vector.shape[1]), axis=1)[:, : index.d]  # no head: its width
scores, rows = index.search(query, 10)
sys.stdout.write(products.iloc[rows[0]].assign(score=scores[0]).to_string() + "\n")
