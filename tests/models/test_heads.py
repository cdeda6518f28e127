"""Numbers of heads."""

import pytest

from recbole_a2d.errors import UserError
from recbole_a2d.models.heads import dividing_heads, most_heads


def test_dividing_number_is_kept() -> None:
    assert dividing_heads({"heads": 4}, "heads", 100) == 4


def test_other_numbers_are_an_error() -> None:
    with pytest.raises(UserError, match="heads: 8 does not divide embedding_size 100"):
        dividing_heads({"heads": 8}, "heads", 100)


@pytest.mark.parametrize(("dim", "heads"), [(256, 8), (100, 5), (7, 7), (11, 1), (2, 2)])
def test_most_heads(dim: int, heads: int) -> None:
    assert most_heads(8, dim) == heads
