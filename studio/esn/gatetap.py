"""The hook of one gate: what it counts, and the buffers it steers by; :mod:`studio.esn.taps` makes a set of them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from studio.esn.errors import TapError
from studio.esn.graphs import captured, in_a_graph
from studio.esn.intervention import Coefficients, Needs

_CHUNK = 1024
"""Positions (rows x tokens) counted at once, so that the memory counting needs does not grow with the prompt."""


@dataclass
class Phase:
    """What all hooks of one model do at the moment."""

    running: bool = False
    records: bool = False
    steers: bool = False
    scoped: bool = False
    generated: bool = False
    rows: int = 0
    valid: torch.Tensor | None = None


@dataclass
class Counts:
    """One gate's counts of every row the generation began with: [rows, width], tokens [rows], and passes in graphs."""

    active: torch.Tensor
    total: torch.Tensor
    total_sq: torch.Tensor
    tokens: torch.Tensor
    passes: torch.Tensor
    live: torch.Tensor | None = None

    def to(self, device: torch.device) -> Counts:
        """These counts on another device."""
        return Counts(
            self.active.to(device),
            self.total.to(device),
            self.total_sq.to(device),
            self.tokens.to(device),
            self.passes.to(device),
            None if self.live is None else self.live.to(device),
        )

    def add(self, gate: torch.Tensor, valid: torch.Tensor | None, with_tokens: bool) -> None:
        """Count a gate [rows, tokens, width] where ``valid`` bool [rows, tokens, 1] is True; None: everywhere."""
        rows, length, _ = gate.shape
        if valid is not None:
            valid = valid.to(gate.device)
            # Replaced, not multiplied by zero: what a model computes at padding may be NaN.
            gate = torch.where(valid, gate, 0)
        # Traced code fuses the reductions and needs no chunks, which would tie its graph to one length.
        pieces = (gate,) if torch.compiler.is_compiling() else torch.split(gate, max(1, _CHUNK // rows), dim=1)
        for piece in pieces:
            values = piece.double()
            if piece.shape[1] == 1:  # a decoding step has nothing to sum, and reductions would double its cost
                parts = ((piece > 0)[:, 0], values[:, 0], values.square()[:, 0])
            else:
                parts = ((piece > 0).sum(1), values.sum(1), values.square().sum(1))
            for into, part in zip((self.active, self.total, self.total_sq), parts, strict=True):
                self._accumulate(into, part)
        if with_tokens:
            seen = self.tokens.new_full((rows,), length) if valid is None else valid.sum((1, 2))
            self._accumulate(self.tokens, seen)

    def _accumulate(self, into: torch.Tensor, part: torch.Tensor) -> None:
        if self.live is None:
            into.add_(part)
        else:
            into.index_add_(0, self.live, part.to(into.dtype))


class GateTap:
    """The hook of one gate and its buffers."""

    def __init__(self, phase: Phase, layer: int, width: int, device: torch.device | str, dtype: torch.dtype) -> None:
        self.phase = phase
        self.layer = layer
        self.width = width
        self.device = torch.device(device)
        self.dtype = dtype
        with torch.inference_mode(False):
            self.calls = torch.zeros((), dtype=torch.int64, device=device)
        self.seen = 0
        self.counts: Counts | None = None
        self.loaded: tuple[Coefficients, ...] = ()
        self.needs: tuple[Needs, ...] = ()
        self.turned = 0
        self.shares: torch.Tensor | None = None
        self.full: list[Coefficients] = []
        self.buffers: Coefficients | None = None
        self.captured: dict[int, Coefficients] = {}

    def __call__(self, module: nn.Module, args: object, gate: torch.Tensor) -> torch.Tensor | None:
        """Count ``gate`` [rows, tokens, width] and give what it becomes; None where that is itself."""
        phase = self.phase
        if not phase.running:
            return None
        if gate.dim() != 3 or gate.shape[0] != phase.rows or gate.shape[2] != self.width:
            raise TapError(
                f"The gate of layer {self.layer} put out {list(gate.shape)} instead of "
                f"[{phase.rows}, tokens, {self.width}]; the taps do not fit this model or this batch."
            )
        if gate.dtype is not self.dtype or gate.device != self.device:
            self._move(gate)
        graphed = in_a_graph(gate)
        if graphed:
            self.calls.add_(1)
        else:
            self.seen += 1
        if phase.records and self.counts is not None:
            self._record(gate, self.counts, graphed)
        if self.buffers is None:
            return None
        if graphed:
            if captured(gate):
                # It will read these buffers whenever a batch of so many rows is replayed.
                self.captured[phase.rows] = self.buffers
            return self.buffers.apply(gate)
        return self.buffers.apply_needed(gate, self.needs[self.turned]) if phase.steers else None

    def _record(self, gate: torch.Tensor, counts: Counts, graphed: bool) -> None:
        valid = self.phase.valid
        if valid is not None and valid.shape[:2] != gate.shape[:2]:
            raise TapError(f"A pass over {list(gate.shape[:2])} positions was announced as {list(valid.shape[:2])}.")
        if graphed:
            if captured(gate):
                raise TapError(
                    "A CUDA graph cannot be captured while activations are recorded, because each generation counts "
                    "anew; capture it while nothing is recorded."
                )
            counts.passes.add_(1)
        counts.add(gate.detach(), valid, self.layer == 0)

    def reset(self, rows: int, record: bool) -> None:
        """Forget what was counted."""
        self.calls.zero_()
        self.seen = 0
        if record:
            with torch.inference_mode(False):
                size = (rows, self.width)
                self.counts = Counts(
                    torch.zeros(size, dtype=torch.int64, device=self.device),
                    torch.zeros(size, dtype=torch.float64, device=self.device),
                    torch.zeros(size, dtype=torch.float64, device=self.device),
                    torch.zeros(rows, dtype=torch.int64, device=self.device),
                    torch.zeros((), dtype=torch.int64, device=self.device),
                )

    def keep(self, live: list[int]) -> None:
        """Count the batch's rows into these rows of the counts from now on."""
        if self.counts is not None:
            self.counts.live = torch.tensor(live, device=self.device)

    def load(self, layers: tuple[Coefficients, ...]) -> None:
        """Take coefficients, float32 on the CPU: for the prompt, and for generated positions where they differ.

        Buffers of the right shape are written in place, so that compiled and captured graphs see the change.
        """
        self.loaded, self.full, self.shares, self.turned = layers, [], None, 0
        # Shares of these strengths need no more than they do.
        self.needs = tuple(layer.needs() for layer in layers)
        self._write()

    def turn(self, which: int) -> None:
        """Go on with the coefficients of the prompt (0) or of generated positions (1)."""
        self.turned = which
        self._write()

    def dim(self, shares: torch.Tensor) -> None:
        """Set the buffers to a share, [rows], of the strengths that were loaded."""
        self.shares = shares
        self._write()

    def rest(self) -> None:
        """Set the buffers to the identity, for graphs that are replayed outside of a generation."""
        if self.buffers is not None:
            with torch.inference_mode(False), torch.no_grad():
                self.buffers.neutralise_()

    def _write(self) -> None:
        # Outside inference mode, so that a later generation, in that mode or not, may write into the buffers.
        with torch.inference_mode(False), torch.no_grad():
            layer = self.loaded[self.turned]
            if self.shares is not None:
                if not self.full:
                    # Shares are taken before rounding to the gates' dtype, as strengths are.
                    self.full = [each.to(self.device, torch.float32) for each in self.loaded]
                layer = self.full[self.turned].at_share(self.shares)
            rows = layer.scale.shape[0]
            if self.buffers is not None and self.buffers.scale.shape[0] != rows:
                self.buffers.neutralise_()
                self.buffers = self.captured.get(rows)
            if self.buffers is None:
                self.buffers = layer.to(self.device, self.dtype)
            else:
                self.buffers.copy_(layer)

    def _move(self, gate: torch.Tensor) -> None:
        self.device, self.dtype = gate.device, gate.dtype
        with torch.inference_mode(False):
            self.calls = self.calls.to(self.device)
            self.buffers, self.full, self.captured = None, [], {}
            self._write()
            if self.counts is not None:
                self.counts = self.counts.to(self.device)
