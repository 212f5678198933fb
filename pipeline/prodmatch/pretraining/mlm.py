"""Masked-word training: the text encoder learns the language of catalogues from text alone."""

import logging
from collections.abc import Sequence

import numpy as np
import torch
from torch.nn import functional
from tqdm import tqdm
from transformers import (
    BertForMaskedLM,
    DataCollatorForLanguageModeling,
    PreTrainedTokenizerFast,
)

from prodmatch.encoders.device import autocast

LOG = logging.getLogger(__name__)


def train_masked_words(
    model: BertForMaskedLM,
    tokenizer: PreTrainedTokenizerFast,
    texts: Sequence[str],
    *,
    epochs: int,
    seed: int,
    batch_rows: int = 128,
) -> float:
    """Trains `model` in place to fill in masked words; gives the mean loss of the last tenth.

    Batches hold texts of like length, and come in random order; fifteen of a hundred word
    pieces are predicted, as in BERT.
    """
    rng = np.random.default_rng(seed)
    tokens = tokenizer(list(texts), truncation=True, max_length=64)["input_ids"]
    encoded = [{"input_ids": ids} for ids in tokens]
    collate = DataCollatorForLanguageModeling(
        tokenizer, mlm_probability=0.15, pad_to_multiple_of=8, seed=seed
    )
    order = np.argsort([len(ids) for ids in tokens], kind="stable")
    batches = [order[start : start + batch_rows] for start in range(0, len(order), batch_rows)]
    steps = epochs * len(batches)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, 1e-3, total_steps=steps, pct_start=0.1
    )
    losses: list[float] = []
    model.train()
    with tqdm(total=steps, desc="masked words", unit="batch", disable=None) as progress:
        for _ in range(epochs):
            for batch in rng.permutation(len(batches)):
                inputs = collate([encoded[row] for row in batches[batch]])
                labels = inputs.pop("labels")
                with autocast(torch.device("cpu")):
                    states = model.bert(**inputs).last_hidden_state
                    picked = labels >= 0  # the vocabulary is scored at masked positions only
                    scores = model.cls(states[picked])
                loss = functional.cross_entropy(scores.float(), labels[picked])
                optimizer.zero_grad()
                loss.backward()
                torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
                optimizer.step()
                schedule.step()
                losses.append(loss.item())
                progress.update()
                if len(losses) % 200 == 0:
                    LOG.info(
                        "masked words %d/%d loss %.3f", len(losses), steps, np.mean(losses[-200:])
                    )
    return float(np.mean(losses[-max(1, steps // 10) :]))
