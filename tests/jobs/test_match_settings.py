"""What a matching may be asked for."""

import pytest

from prodmatch.errors import QueryError
from prodmatch.match import MatchSettings


@pytest.mark.parametrize("precision", [0.0, 1.5, float("nan")])
def test_a_precision_is_a_share(precision: float) -> None:
    with pytest.raises(QueryError, match="must be above 0 and at most 1"):
        MatchSettings(precision=precision)
