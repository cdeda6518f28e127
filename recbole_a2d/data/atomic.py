"""Atomic files: one folder a data set, one click a row, file order is the true order.

::

    NAME.train.inter   session_id:token  item_id:token  timestamp:float
    NAME.valid.inter   the last training sessions by time, same columns
    NAME.test.inter    whole test sessions, same columns
    NAME.item          item_id:token  category:token     items of train and valid only
    NAME.json          counts, hashes and notes (see ``manifest``)

and, for other programs, with ``write_prefixes``::

    NAME.prefix_train.inter   session_id:token  item_id_list:token_seq  item_id:token
    NAME.prefix_valid.inter, NAME.prefix_test.inter
"""

from recbole_a2d.data.atomic_reading import AtomicTables, read_atomic
from recbole_a2d.data.atomic_writing import write_atomic, write_prefixes
from recbole_a2d.data.manifest import Manifest

__all__ = ["AtomicTables", "Manifest", "read_atomic", "write_atomic", "write_prefixes"]
