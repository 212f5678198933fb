"""Masked-word training: the text encoder learns the language of catalogues from text alone."""

import logging
from collections.abc import Sequence

import numpy as np
import torch
from torch.nn import functional
from tqdm import tqdm
from transformers import BertForMaskedLM, PreTrainedTokenizerFast

from prodmatch.encoders.encoders import autocast

__all__ = ["train_masked_words"]

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
    encoded = tokenizer(list(texts), truncation=True, max_length=64)["input_ids"]
    order = np.argsort([len(ids) for ids in encoded], kind="stable")
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
                ids = _pad([encoded[row] for row in batches[batch]], tokenizer.pad_token_id)
                masked, labels = _mask(ids, tokenizer, rng)
                with autocast(torch.device("cpu")):
                    states = model.bert(
                        input_ids=masked, attention_mask=(ids != tokenizer.pad_token_id).long()
                    ).last_hidden_state
                    picked = labels >= 0  # the vocabulary is scored at masked places only
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


def _pad(rows: list[list[int]], pad: int) -> torch.Tensor:
    longest = -(-max(len(row) for row in rows) // 8) * 8  # few shapes: a multiple of eight
    return torch.tensor([row + [pad] * (longest - len(row)) for row in rows])


def _mask(
    ids: torch.Tensor, tokenizer: PreTrainedTokenizerFast, rng: np.random.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """Input with 15 % of the pieces hidden (80 % mask, 10 % random, 10 % kept), and labels."""
    special = torch.isin(ids, torch.tensor(tokenizer.all_special_ids))
    draw = torch.from_numpy(rng.random(ids.shape))
    picked = (draw < 0.15) & ~special
    if not picked.any():
        picked[:, 1] = True
    labels = torch.where(picked, ids, -100)
    how = torch.from_numpy(rng.random(ids.shape))
    masked = torch.where(picked & (how < 0.8), tokenizer.mask_token_id, ids)
    random = torch.from_numpy(rng.integers(5, len(tokenizer), ids.shape))
    return torch.where(picked & (how >= 0.8) & (how < 0.9), random, masked), labels
