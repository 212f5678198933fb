"""Hits: the products found for a query, with every signal's share of the score."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from prodmatch.search.scoring import Ranked

__all__ = ["Hit", "make_hit", "order_places"]


@dataclass(frozen=True)
class Hit:
    """A product found. `score == lexical + text + image`, each signal's share of it."""

    query_id: str
    rank: int  # from 1
    product_id: str
    score: float  # higher is better, comparable within one query
    probability: float  # that the product matches, from its cosines
    lexical: float
    text: float
    image: float
    generation: int
    metadata: Mapping[str, object] = field(default_factory=dict)

    def as_dict(self) -> dict[str, object]:
        """Names and values, the metadata among them, for JSON."""
        own = {name: getattr(self, name) for name in self.__dataclass_fields__}
        metadata = own.pop("metadata")
        return {**own, **{name: value for name, value in metadata.items() if name not in own}}


def make_hit(
    ranked: Ranked, place: int, found: Mapping[str, object], *, asked: tuple[str, int, int]
) -> Hit:
    """The hit at a place of the candidates.

    Args:
        ranked: the candidates.
        place: which of them.
        found: the catalogue's columns of this product.
        asked: the query's id, the hit's rank, and the generation's number.
    """
    query_id, rank, generation = asked
    return Hit(
        query_id=query_id,
        rank=rank,
        product_id=str(found["product_id"]),
        score=round(float(ranked.score[place]), 6),
        probability=round(float(ranked.probability[place]), 6),
        lexical=round(float(ranked.lexical[place]), 6),
        text=round(float(ranked.text[place]), 6),
        image=round(float(ranked.image[place]), 6),
        generation=generation,
        metadata={name: value for name, value in found.items() if name != "product_id"},
    )


def order_places(ranked: Ranked, places: Sequence[int], product_ids: Sequence[str]) -> list[int]:
    """Places of candidates by score descending, then by their products' ids."""
    pairs = zip(places, product_ids, strict=True)
    return [place for place, _ in sorted(pairs, key=lambda p: (-ranked.score[p[0]], p[1]))]
