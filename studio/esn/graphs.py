"""Whether a hook runs for a graph that will be replayed without it."""

from __future__ import annotations

import torch


def captured(value: torch.Tensor) -> bool:
    """True while a CUDA graph is captured by hand: what Python decides now is decided for every replay.

    ``torch.compile`` looks at the Python state again before each call (its guards), a CUDA graph never does.
    """
    return not torch.compiler.is_compiling() and value.is_cuda and torch.cuda.is_current_stream_capturing()


def in_a_graph(value: torch.Tensor) -> bool:
    """True while what computes ``value`` is traced by ``torch.compile``, or captured."""
    return torch.compiler.is_compiling() or captured(value)
