"""A WordPiece vocabulary from the training texts."""

from collections import Counter
from collections.abc import Iterable

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

SPECIAL_TOKENS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
CONTINUES = "##"  # before a piece that does not begin a word
LARGEST_ALPHABET = 300


def train_tokenizer(
    texts: Iterable[str], *, vocabulary_size: int = 8000, max_tokens: int = 64
) -> PreTrainedTokenizerFast:
    """An uncased WordPiece tokenizer with BERT's special tokens, learnt from `texts`.

    The same texts give the same tokenizer, in any order.
    """
    tokenizer = _word_pieces({})
    words = _count_words(tokenizer, texts)
    alphabet, continuing = _count_characters(words)
    # The trainer numbers the pieces it finds within words in the order of a hash map, and breaks
    # ties by number (tokenizers issue 1794). Named beforehand, they have the same number always.
    pieces = [CONTINUES + character for character in alphabet if character in continuing]
    trainer = trainers.WordPieceTrainer(
        vocab_size=vocabulary_size,
        min_frequency=2,
        special_tokens=SPECIAL_TOKENS + pieces,
        initial_alphabet=alphabet,
        limit_alphabet=len(alphabet),
        continuing_subword_prefix=CONTINUES,
        show_progress=False,
    )
    tokenizer.train_from_iterator(words.elements(), trainer)
    tokenizer = _word_pieces(tokenizer.get_vocab())  # where the pieces are not special
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[(name, SPECIAL_TOKENS.index(name)) for name in ("[CLS]", "[SEP]")],
    )
    names = ("pad_token", "unk_token", "cls_token", "sep_token", "mask_token")
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        model_max_length=max_tokens,
        **dict(zip(names, SPECIAL_TOKENS, strict=True)),
    )


def _word_pieces(vocabulary: dict[str, int]) -> Tokenizer:
    model = models.WordPiece(vocabulary, unk_token="[UNK]", continuing_subword_prefix=CONTINUES)
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True, strip_accents=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return tokenizer


def _count_words(tokenizer: Tokenizer, texts: Iterable[str]) -> Counter[str]:
    normalise, split = tokenizer.normalizer.normalize_str, tokenizer.pre_tokenizer.pre_tokenize_str
    return Counter(word for text in texts for word, _ in split(normalise(text)))


def _count_characters(words: Counter[str]) -> tuple[list[str], set[str]]:
    """The most frequent characters, and those that stand within a word."""
    counts: Counter[str] = Counter()
    continuing: set[str] = set()
    for word, count in words.items():
        for character in word:
            counts[character] += count
        continuing.update(word[1:])
    order = sorted(counts, key=lambda character: (-counts[character], character))
    return sorted(order[:LARGEST_ALPHABET]), continuing
