"""Text pairs."""

from prodmatch.training.pairs import TextPair, join_pairs


def test_pairs_are_joined_by_the_texts_that_they_share() -> None:
    pairs = [TextPair(*texts) for texts in ("ab", "cd", "be", "fc", "gh", "ea")]
    assert join_pairs(pairs).tolist() == [0, 1, 0, 1, 2, 0]
