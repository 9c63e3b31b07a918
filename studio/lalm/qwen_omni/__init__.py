"""Qwen2.5-Omni (3B and 7B), run in process on transformers' own classes; see docs/qwen-omni.md."""

from __future__ import annotations

from studio.lalm.qwen_omni.lalm import QwenOmniLALM
from studio.lalm.qwen_omni.loading import load

__all__ = ["QwenOmniLALM", "load"]
