"""The token embedding bag on disk."""

from pathlib import Path

import pytest
import torch

from prodmatch.encoders.text import WORDS, load_words, save_words
from prodmatch.errors import ModelError


def test_a_table_of_words_comes_back_from_its_file(tmp_path: Path) -> None:
    table = torch.randn(50, 8, generator=torch.Generator().manual_seed(0))
    table[3] *= 1e-3  # each row has its own scale
    table[4] = 0
    save_words(table, tmp_path / WORDS)
    found = load_words(tmp_path)
    assert found is not None
    assert torch.equal(found[4], table[4])
    torch.testing.assert_close(found, table, rtol=0, atol=float(table.abs().max()) / 250)
    torch.testing.assert_close(found[3], table[3], rtol=0, atol=float(table[3].abs().max()) / 250)


def test_a_damaged_table_of_words_is_named(tmp_path: Path) -> None:
    (tmp_path / WORDS).write_bytes(b"no table")
    with pytest.raises(ModelError, match=r"words\.safetensors: does not hold a table of words"):
        load_words(tmp_path)
