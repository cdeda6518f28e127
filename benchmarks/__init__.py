"""Timing scripts, run from the root of the project."""
