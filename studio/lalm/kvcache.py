"""What transformers calls the KV cache of a decoder."""

from __future__ import annotations

import inspect

from torch import nn


def cache_argument(decoder: nn.Module) -> str:
    """The keyword of a decoder's cache: ``cache`` from transformers 5.24 on, which takes no other from 5.40 on."""
    return "cache" if "cache" in inspect.signature(decoder.forward).parameters else "past_key_values"
