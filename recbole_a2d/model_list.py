"""The models of the tables and where each comes from, as data; ``registry`` looks things up."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from pathlib import PurePosixPath


@dataclass(frozen=True)
class ModelEntry:
    """One model of the tables.

    Attributes:
        name: on the command line.
        title: in tables.
        authors, paper, venue, year: where it comes from; empty and 0 where there is no paper.
        module: the file that holds the class, below ``recbole_a2d.models``.
        page: the file in ``docs`` that says what it does and how it differs from its source.
        categories: whether it needs item categories.
        options: whether it has any; without, there is nothing to search either.
    """

    name: str
    title: str
    authors: str
    paper: str
    venue: str
    year: int
    module: str
    page: str
    categories: bool = False
    options: bool = True

    def load(self) -> type:
        """Import the class."""
        module = importlib.import_module(f"recbole_a2d.models.{self.module}")
        loaded: type = getattr(module, self.name)
        return loaded

    @property
    def file(self) -> str:
        """Source file, from the root of the project."""
        return f"recbole_a2d/models/{self.module.replace('.', '/')}.py"

    @property
    def test(self) -> str:
        """Test file, from the root of the project."""
        place = PurePosixPath("tests/models", *self.module.split("."))
        return str(place.with_name(f"test_{place.name}.py"))

    @property
    def source(self) -> str:
        """Authors, title and venue; "-" where there is no paper."""
        return f"{self.authors}, *{self.paper}*, {self.venue}" if self.paper else "-"


def _ours(
    name: str,
    title: str,
    authors: str,
    paper: str,
    venue: str,
    year: int,
    module: str,
    *,
    categories: bool = False,
) -> ModelEntry:
    page = f"models/{module}.md"
    return ModelEntry(name, title, authors, paper, venue, year, module, page, categories)


def _recboles(name: str, title: str, authors: str, paper: str, venue: str, year: int) -> ModelEntry:
    where = ("recbole_fixed", "models/recbole.md")
    return ModelEntry(name, f"{title} (RecBole)", authors, paper, venue, year, *where)


def _counting(
    name: str, title: str, authors: str = "", paper: str = "", venue: str = "", year: int = 0
) -> ModelEntry:
    where = ("neighbours.recommenders", "models/neighbours.md")
    return ModelEntry(name, title, authors, paper, venue, year, *where, options=bool(paper))


_ENTRIES = (
    ModelEntry(
        "A2DMTL",
        "A2D-MTL",
        "Wang et al.",
        "Attribute Association Driven Multi-Task Learning for Session-based Recommendation",
        "IJCAI",
        2025,
        module="a2d_mtl",
        page="differences.md",
        categories=True,
    ),
    _recboles(
        "GRU4Rec",
        "GRU4Rec",
        "Tan et al.",
        "Improved Recurrent Neural Networks for Session-based Recommendations",
        "DLRS",
        2016,
    ),
    _recboles(
        "STAMP",
        "STAMP",
        "Liu et al.",
        "STAMP: Short-Term Attention/Memory Priority Model for Session-based Recommendation",
        "KDD",
        2018,
    ),
    _recboles(
        "SRGNN",
        "SR-GNN",
        "Wu et al.",
        "Session-based Recommendation with Graph Neural Networks",
        "AAAI",
        2019,
    ),
    _recboles(
        "NARM",
        "NARM",
        "Li et al.",
        "Neural Attentive Session-based Recommendation",
        "CIKM",
        2017,
    ),
    _recboles(
        "CORE",
        "CORE",
        "Hou et al.",
        "CORE: Simple and Effective Session-based Recommendation within Consistent "
        "Representation Space",
        "SIGIR",
        2022,
    ),
    _recboles(
        "GCSAN",
        "GC-SAN",
        "Xu et al.",
        "Graph Contextualized Self-Attention Network for Session-based Recommendation",
        "IJCAI",
        2019,
    ),
    _recboles(
        "SASRec",
        "SASRec",
        "Kang and McAuley",
        "Self-Attentive Sequential Recommendation",
        "ICDM",
        2018,
    ),
    _ours(
        "GCEGNN",
        "GCE-GNN",
        "Wang et al.",
        "Global Context Enhanced Graph Neural Networks for Session-based Recommendation",
        "SIGIR",
        2020,
        "gce_gnn",
    ),
    _ours(
        "MTD",
        "MTD",
        "Huang et al.",
        "Graph-Enhanced Multi-Task Learning of Multi-Level Transition Dynamics for "
        "Session-based Recommendation",
        "AAAI",
        2021,
        "mtd",
    ),
    _ours(
        "MSGIFSR",
        "MSGIFSR",
        "Guo et al.",
        "Learning Multi-granularity Consecutive User Intent Unit for Session-based Recommendation",
        "WSDM",
        2022,
        "msgifsr",
    ),
    _ours(
        "AttenMixer",
        "Atten-Mixer",
        "Zhang et al.",
        "Efficiently Leveraging Multi-level User Intent for Session-based Recommendation via "
        "Atten-Mixer Network",
        "WSDM",
        2023,
        "atten_mixer",
    ),
    _ours(
        "MiaSRec",
        "MiaSRec",
        "Choi et al.",
        "Multi-intent-aware Session-based Recommendation",
        "SIGIR",
        2024,
        "miasrec",
    ),
    _ours(
        "MGS",
        "MGS",
        "Lai et al.",
        "An Attribute-Driven Mirror Graph Network for Session-based Recommendation",
        "SIGIR",
        2022,
        "mgs",
        categories=True,
    ),
    _ours(
        "CLHHN",
        "CLHHN",
        "Ma et al.",
        "Category-aware Lossless Heterogeneous Hypergraph Neural Network for Session-based "
        "Recommendation",
        "ACM TWEB",
        2023,
        "clhhn",
        categories=True,
    ),
    _counting("Pop", "Pop"),
    _counting("SPop", "S-Pop"),
    _counting(
        "ItemKNN",
        "Item-KNN",
        "Hidasi et al.",
        "Session-based Recommendations with Recurrent Neural Networks",
        "ICLR",
        2016,
    ),
    _counting(
        "SR",
        "SR",
        "Kamehkhosh et al.",
        "A Comparison of Frequent Pattern Techniques and a Deep Learning Method for "
        "Session-Based Recommendation",
        "RecTemp",
        2017,
    ),
    _counting(
        "SKNN",
        "SKNN",
        "Jannach and Ludewig",
        "When Recurrent Neural Networks meet the Neighborhood for Session-Based Recommendation",
        "RecSys",
        2017,
    ),
    _counting(
        "VSKNN",
        "VSKNN",
        "Ludewig and Jannach",
        "Evaluation of Session-based Recommendation Algorithms",
        "UMUAI",
        2018,
    ),
    _counting(
        "STAN",
        "STAN",
        "Garg et al.",
        "Sequence and Time Aware Neighborhood for Session-based Recommendations",
        "SIGIR",
        2019,
    ),
    _counting(
        "VSTAN",
        "VSTAN",
        "Ludewig et al.",
        "Empirical Analysis of Session-based Recommendation Algorithms",
        "UMUAI",
        2021,
    ),
)

MODELS = {entry.name: entry for entry in _ENTRIES}
