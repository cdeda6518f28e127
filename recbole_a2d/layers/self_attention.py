"""The two halves of a transformer block over right-padded rows, normalised after the residual."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recbole_a2d.layers.fast_dropout import FastDropout
from recbole_a2d.layers.segments import masked_softmax

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {"gelu": F.gelu, "relu": F.relu}


class SelfAttention(nn.Module):
    r"""Multi-head scaled dot-product attention of a sequence on itself (Vaswani et al., 2017).

    .. math::
        \mathrm{LN}\Big(X + \mathrm{softmax}\big(\tfrac{XW_q (XW_k)^\top}{\sqrt{D/h}}\big) XW_v W_o
        \Big)

    Args:
        dim: size of the vectors, a multiple of ``heads``.
        heads: number of heads.
        dropout: share of attention weights set to zero.
        output_dropout: share of the heads' mixture set to zero.
        bias: whether the projections have one.
        output: whether heads are mixed by ``W_o``; else they stand side by side.
        eps: of the layer norm.

    Raises:
        ValueError: ``dim`` is no multiple of ``heads``.
    """

    def __init__(
        self,
        dim: int,
        heads: int,
        dropout: float,
        *,
        output_dropout: float = 0.0,
        bias: bool = True,
        output: bool = True,
        eps: float = 1e-12,
    ) -> None:
        super().__init__()
        if dim % heads:
            raise ValueError(f"size {dim} is no multiple of {heads} heads")
        self.heads = heads
        self.projection = nn.Linear(dim, 3 * dim, bias=bias)
        self.output = nn.Linear(dim, dim, bias=bias) if output else None
        self.dropout = FastDropout(dropout)
        self.output_dropout = FastDropout(output_dropout)
        self.norm = nn.LayerNorm(dim, eps=eps)

    def forward(self, vectors: Tensor, allowed: Tensor) -> Tensor:
        """Attend and add.

        Shapes:
            vectors ``[B, T, D]``; allowed: may query i read key j, ``[B or 1, T or 1, T]``
            -> ``[B, T, D]``, float32.
        """
        rows, width, dim = vectors.shape
        split = self.projection(vectors).view(rows, width, 3, self.heads, dim // self.heads)
        query, key, value = split.permute(2, 0, 3, 1, 4)
        scores = (query @ key.transpose(-1, -2)).float() * (dim // self.heads) ** -0.5
        weights = masked_softmax(scores, allowed.unsqueeze(1))
        heads = self.dropout(weights).to(value.dtype) @ value
        mixed = heads.transpose(1, 2).reshape(rows, width, dim)
        if self.output is not None:
            mixed = self.output(mixed)
        attended: Tensor = self.norm(vectors.float() + self.output_dropout(mixed).float())
        return attended


class FeedForward(nn.Module):
    r"""Two linear maps on every place: ``LN(X + drop(act(X W_1 + b_1) W_2 + b_2))``.

    Args:
        dim, inner: size of the vectors and of the hidden layer.
        dropout: share of the outputs set to zero.
        activation: a name in :data:`ACTIVATIONS`.
        drop_hidden: also drop hidden units.
        eps: of the layer norm.
    """

    def __init__(
        self,
        dim: int,
        inner: int,
        dropout: float,
        *,
        activation: str = "gelu",
        drop_hidden: bool = False,
        eps: float = 1e-12,
    ) -> None:
        super().__init__()
        self.expand = nn.Linear(dim, inner)
        self.contract = nn.Linear(inner, dim)
        self.activation = ACTIVATIONS[activation]
        self.dropout = FastDropout(dropout)
        self.hidden_dropout = FastDropout(dropout if drop_hidden else 0.0)
        self.norm = nn.LayerNorm(dim, eps=eps)

    def forward(self, vectors: Tensor) -> Tensor:
        """Shapes: ``[..., D] -> [..., D]``, float32."""
        hidden = self.hidden_dropout(self.activation(self.expand(vectors)))
        out: Tensor = self.norm(vectors.float() + self.dropout(self.contract(hidden)).float())
        return out


def run_blocks(
    attentions: nn.ModuleList, feed_forwards: nn.ModuleList, vectors: Tensor, allowed: Tensor
) -> Tensor:
    """Through transformer blocks, one after the other.

    Args:
        attentions, feed_forwards: the two halves of each block.
        vectors, allowed: as :class:`SelfAttention` has them, ``[B, T, D]``.
    """
    for attention, feed_forward in zip(attentions, feed_forwards, strict=True):
        vectors = feed_forward(attention(vectors, allowed))
    return vectors


def readable(mask: Tensor, *, causal: bool) -> Tensor:
    """Which keys each place may read: no pads and, if causal, nothing later.

    Shapes: mask ``[B, T]`` (True on clicks) -> ``[B, T or 1, T]``.
    """
    keys = mask.unsqueeze(1)
    if not causal:
        return keys
    width = mask.shape[1]
    return keys & torch.ones(width, width, dtype=torch.bool, device=mask.device).tril()
