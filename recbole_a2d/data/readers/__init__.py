"""Readers of raw logs: one format a module, found by name."""

from recbole_a2d.data.readers import ml_100k, published, shop
from recbole_a2d.data.readers.base import Reader

READERS: dict[str, Reader] = {
    reader.name: reader for reader in (published.READER, ml_100k.READER, shop.READER)
}

__all__ = ["READERS", "Reader"]
