"""Model names: ours, and RecBole's sequential models as ``recbole.NAME``."""

from __future__ import annotations

import difflib
import importlib
from dataclasses import dataclass
from typing import Any

from recbole_a2d.errors import UserError


@dataclass(frozen=True)
class ModelEntry:
    """One model of the tables.

    Attributes:
        name: on the command line.
        title: in tables.
        paper, year: where it comes from.
        module: the file that holds the class, below ``recbole_a2d.models``.
        categories: whether it needs item categories.
    """

    name: str
    title: str
    paper: str
    year: int
    module: str
    categories: bool = False

    def load(self) -> type:
        """Import the class."""
        module = importlib.import_module(f"recbole_a2d.models.{self.module}")
        loaded: type = getattr(module, self.name)
        return loaded


MODELS = {
    entry.name: entry
    for entry in (
        ModelEntry("A2DMTL", "A2D-MTL", "Wang et al.", 2026, "a2d_mtl", categories=True),
        ModelEntry("GRU4Rec", "GRU4Rec (RecBole)", "Tan et al.", 2016, "recbole_fixed"),
        ModelEntry("STAMP", "STAMP (RecBole)", "Liu et al.", 2018, "recbole_fixed"),
        ModelEntry("SRGNN", "SR-GNN (RecBole)", "Wu et al.", 2019, "recbole_fixed"),
        ModelEntry("NARM", "NARM (RecBole)", "Li et al.", 2017, "recbole_fixed"),
        ModelEntry("CORE", "CORE (RecBole)", "Hou et al.", 2022, "recbole_fixed"),
        ModelEntry("GCSAN", "GC-SAN (RecBole)", "Xu et al.", 2019, "recbole_fixed"),
        ModelEntry("SASRec", "SASRec (RecBole)", "Kang and McAuley", 2018, "recbole_fixed"),
        ModelEntry("GCEGNN", "GCE-GNN", "Wang et al.", 2020, "gce_gnn"),
        ModelEntry("MTD", "MTD", "Huang et al.", 2021, "mtd"),
        ModelEntry("MSGIFSR", "MSGIFSR", "Guo et al.", 2022, "msgifsr"),
        ModelEntry("AttenMixer", "Atten-Mixer", "Zhang et al.", 2023, "atten_mixer"),
        ModelEntry("MiaSRec", "MiaSRec", "Choi et al.", 2024, "miasrec"),
        ModelEntry("MGS", "MGS", "Lai et al.", 2022, "mgs", categories=True),
        ModelEntry("CLHHN", "CLHHN", "Ma et al.", 2023, "clhhn", categories=True),
        ModelEntry("Pop", "Pop", "-", 0, "neighbours"),
        ModelEntry("SPop", "S-Pop", "-", 0, "neighbours"),
        ModelEntry("ItemKNN", "Item-KNN", "Sarwar et al.", 2001, "neighbours"),
        ModelEntry("SR", "SR", "Ludewig and Jannach", 2018, "neighbours"),
        ModelEntry("SKNN", "SKNN", "Jannach and Ludewig", 2017, "neighbours"),
        ModelEntry("VSKNN", "VSKNN", "Ludewig and Jannach", 2018, "neighbours"),
        ModelEntry("STAN", "STAN", "Garg et al.", 2019, "neighbours"),
        ModelEntry("VSTAN", "VSTAN", "Ludewig et al.", 2021, "neighbours"),
    )
}


def model_class(name: str) -> type:
    """The class of a model name; ``recbole.NAME`` is RecBole's class as it ships.

    Raises:
        UserError: an unknown name; the message gives the nearest known ones.
    """
    if name.startswith("recbole."):
        return _recbole_class(name.removeprefix("recbole."))
    if name not in MODELS:
        folded = {known.lower(): known for known in MODELS}
        near = difflib.get_close_matches(name.lower(), folded, n=3, cutoff=0.4)
        nearest = ", ".join(folded[match] for match in near) or ", ".join(MODELS)
        raise UserError(f"unknown model '{name}'; nearest: {nearest} (--models lists all)")
    return MODELS[name].load()


def title(name: str) -> str:
    """How tables call a model."""
    return MODELS[name].title if name in MODELS else name


def _recbole_class(name: str) -> type:
    module: Any = importlib.import_module("recbole.model.sequential_recommender")
    found = getattr(module, name, None)
    if not isinstance(found, type):
        raise UserError(f"RecBole has no sequential model '{name}'; check the spelling")
    return found
