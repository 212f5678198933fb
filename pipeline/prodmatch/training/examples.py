"""What heads are trained on: queries and products as frozen features."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from prodmatch.storage.vectors import Vectors

Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Examples:
    """Queries and products that belong together row by row, as frozen features.

    Without labels the query is the product's own text and only the picture answers:
    `text_share` is 0. Equal numbers in a group mark what must not be each other's negative.
    """

    query: Vectors  # (n, text features)
    text: Vectors  # (n, text features)
    image: Vectors  # (n, image features)
    labels: npt.NDArray[np.float32]  # (n,) in 0..1
    query_groups: Numbers  # (n,)
    product_groups: Numbers  # (n,)
    text_share: float = 0.0  # of the score; the rest is the picture's

    @classmethod
    def of_pairs(
        cls, text: Vectors, image: Vectors, text_groups: Numbers, image_groups: Numbers
    ) -> "Examples":
        """Each text as a query for its own picture."""
        return cls(text, text, image, np.ones(len(text), np.float32), text_groups, image_groups)

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, rows: Numbers | npt.NDArray[np.bool_]) -> "Examples":
        """Some of the rows."""
        text = self.text[rows]
        return Examples(
            text if self.query is self.text else self.query[rows],
            text,
            self.image[rows],
            self.labels[rows],
            self.query_groups[rows],
            self.product_groups[rows],
            self.text_share,
        )


def shared_groups(*groups: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """`(n, n)`: pairs of rows, the diagonal apart, equal in one of the groups `(n,)`.

    They are false negatives: each may as well answer for the other.
    """
    shared = np.any([group[:, None] == group for group in groups], axis=0)
    np.fill_diagonal(shared, False)
    return np.asarray(shared)
