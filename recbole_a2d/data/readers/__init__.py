"""Readers of raw logs: one format a module, found by name."""

from recbole_a2d.data.readers import (
    csv,
    diginetica,
    ml_100k,
    published,
    retailrocket,
    shop,
    tmall,
    yoochoose,
)
from recbole_a2d.data.readers.base import Reader

READERS: dict[str, Reader] = {
    module.READER.name: module.READER
    for module in (
        published,
        diginetica,
        yoochoose,
        tmall,
        retailrocket,
        csv,
        ml_100k,
        shop,
    )
}

__all__ = ["READERS", "Reader"]
