"""Timing scripts, run from the root of the project."""

import os

from recbole_a2d.waiting import limit_spinning

# as every command does, before torch is imported
limit_spinning(os.environ)
