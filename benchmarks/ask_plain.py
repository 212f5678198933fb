"""The peer of `ask.py`: a text query the ordinary way: transformers, FAISS, pandas."""

import sys
from pathlib import Path

import faiss
import numpy as np
import pandas as pd
import torch
from transformers import AutoModel, AutoTokenizer

store, model, asked = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
folder = max(path for path in (store / "index").iterdir() if path.is_dir())
tokenizer = AutoTokenizer.from_pretrained(model / "text")
bert = AutoModel.from_pretrained(model / "text", dtype=torch.float32).eval()
index = faiss.read_index(str(folder / "index.faiss"))
products = pd.read_parquet(folder / "products.parquet", columns=["product_id", "title"])
with torch.inference_mode():
    vector = bert(**tokenizer(asked, return_tensors="pt")).last_hidden_state.mean(1).numpy()
query = np.resize(vector / np.linalg.norm(vector), (1, index.d)).astype(np.float32)
scores, rows = index.search(query, 10)
sys.stdout.write(products.iloc[rows[0]].assign(score=scores[0]).to_string() + "\n")
