"""GateTaps: one forward hook per gate that counts and steers (paper sections 3.1 and 3.4)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import torch
from torch import nn
from torch.utils.hooks import RemovableHandle

from studio.esn.errors import TapError
from studio.esn.intervention import Coefficients, Needs, Steering, TokenScope, coefficients
from studio.esn.statistics import GateStatistics

_CHUNK = 1024
"""Positions (rows x tokens) counted at once, so that the memory counting needs does not grow with the prompt."""


class GateTaps:
    """Taps on a model's gates: install once per loaded model, then ``begin`` and ``end`` each generation.

    ``gates``: the activation modules (Qwen2-style ``mlp.act_fn``) in layer order, whose output is g [batch, tokens,
    width]; ``widths``: their sizes. ``device`` and ``dtype`` say where and in what the gates compute, so that buffers
    lie ready; a gate that turns out to compute elsewhere has its buffers moved on its first call.

    A generation is ``begin``, then ``positions`` before each forward pass, then ``end``. Outside of it, and while no
    row steers and nothing is recorded, the taps add nothing to the numbers. What is counted is g as the model computed
    it, before steering. All of it stays on the gate's device, and nothing waits for the device before ``end``.

    The calls that ``end`` verifies are counted in one-element tensors on that device inside a ``torch.compile`` graph
    and in a replayed CUDA graph, where a Python counter would be guarded on (a recompilation per step) or frozen. In
    eager mode a Python counter is enough and saves a kernel per gate. There, too, a gate gets only what its neurons
    need (nothing, or a product, or a sum, or a floor), to the bit the same as the whole form that graphs keep.
    """

    def __init__(
        self,
        gates: Sequence[nn.Module],
        widths: Sequence[int],
        *,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> None:
        if not gates or len(gates) != len(widths):
            raise TapError(f"{len(gates)} gates and {len(widths)} widths do not make a set of taps.")
        if len({id(gate) for gate in gates}) != len(gates):
            raise TapError("Two layers share one gate module; each layer needs its own to be tapped.")
        self.widths = tuple(widths)
        self._gates = tuple(gates)
        self._phase = _Phase()
        self._taps = [_Tap(self._phase, layer, width, device, dtype) for layer, width in enumerate(self.widths)]
        self._handles: list[RemovableHandle] = []
        self._rows: list[Steering | None] = []
        self._live: list[int] = []
        self._shares: tuple[float, ...] = ()
        self._announced = False

    @property
    def installed(self) -> bool:
        """True while the hooks sit on the gates."""
        return bool(self._handles)

    def install(self) -> Self:
        """Put the hooks on; raises TapError, leaving none of them behind, when a gate carries a tap already."""
        for layer, gate in enumerate(self._gates):
            if any(isinstance(hook, _Tap) for hook in gate._forward_hooks.values()):
                raise TapError(f"The gate of layer {layer} is tapped already; remove the other taps first.")
        try:
            for gate, tap in zip(self._gates, self._taps, strict=True):
                self._handles.append(gate.register_forward_hook(tap))
        except BaseException:
            self.remove()
            raise
        return self

    def remove(self) -> None:
        """Take the hooks off and give up any generation; the model is what it was. May be called again."""
        self.abandon()
        while self._handles:
            self._handles.pop().remove()

    def __enter__(self) -> Self:
        return self if self.installed else self.install()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.remove()

    def begin(self, rows: Sequence[Steering | None], *, record: bool = False) -> None:
        """Start a generation of a batch; ``rows`` says how each row is steered (None: not at all).

        An unfinished generation is given up. Raises TapError when the taps are not installed or there is no row,
        MaskError when a row's mask is not one of these gates.
        """
        if not self.installed:
            raise TapError("The taps are not installed on the model.")
        if not rows:
            raise TapError("A generation needs at least one row.")
        self.abandon()
        self._rows = list(rows)
        self._live = list(range(len(rows)))
        self._announced = False
        self._load()
        for tap in self._taps:
            tap.reset(len(rows), record)
        self._phase.records = record
        self._phase.running = True

    def positions(self, valid: torch.Tensor | None, generated: bool) -> None:
        """Announce the next forward pass.

        ``valid`` bool [rows, tokens] is False at padding, which is not counted (steering may touch it); None when
        every position counts. ``generated`` is False while the prompt is read and True for generated positions. What
        was announced holds until the next announcement.
        """
        if not self._phase.running:
            raise TapError("Positions were announced outside of a generation.")
        if valid is not None and (valid.dtype != torch.bool or valid.dim() != 2):
            raise TapError(f"Valid positions must be bool [rows, tokens], not {valid.dtype} {list(valid.shape)}.")
        self._announced = True
        self._phase.valid = None if valid is None else valid.unsqueeze(-1)
        self._phase.generated = generated and self._phase.scoped

    def intensity(self, shares: Sequence[float]) -> None:
        """Steer each row of the current batch at this share of its strengths, 0 to 1, from the next pass on.

        A generation begins, and goes on after ``keep_rows``, at full strength. Raises TapError outside of a generation
        or for another number of rows.
        """
        if not self._phase.running:
            raise TapError("An intensity was set outside of a generation.")
        if len(shares) != len(self._live):
            raise TapError(f"{len(shares)} shares of strength do not fit a batch of {len(self._live)} rows.")
        if tuple(shares) == self._shares:
            return
        self._shares = tuple(shares)
        values = torch.tensor(self._shares, dtype=torch.float64)
        for tap in self._taps:
            tap.dim(values)

    def keep_rows(self, index: Sequence[int] | torch.Tensor) -> None:
        """Go on with some rows of the current batch only (``index`` into it); the others' counts stay as they are."""
        if not self._phase.running:
            raise TapError("Rows were dropped outside of a generation.")
        kept = [int(row) for row in index]
        if not kept or len(set(kept)) != len(kept) or not all(0 <= row < len(self._live) for row in kept):
            raise TapError(f"Rows {kept} are no selection of a batch of {len(self._live)}.")
        self._live = [self._live[row] for row in kept]
        self._phase.valid = None
        self._load()
        for tap in self._taps:
            tap.keep(self._live)

    def end(self, forwards: int) -> list[GateStatistics] | None:
        """Finish a generation of ``forwards`` forward passes; the counts of each row, on the CPU, if recorded.

        Raises TapError when a gate was not called exactly once per pass: then steering or counts cannot be trusted.
        """
        if not self._phase.running:
            raise TapError("There is no generation to end.")
        records, scoped, announced = self._phase.records, self._phase.scoped, self._announced
        calls = [tap.seen + int(tap.calls) for tap in self._taps]
        try:
            for layer, count in enumerate(calls):
                if count != forwards:
                    raise TapError(
                        f"The gate of layer {layer} was tapped {count} times in {forwards} forward passes, so this "
                        "generation cannot be trusted; fused kernels and models compiled before the taps were "
                        "installed bypass them."
                    )
            if scoped and forwards and not announced:
                raise TapError("Steering generated tokens only needs to be told which positions are generated.")
            if not records:
                return None
            with torch.inference_mode(False):
                return self._collect()
        finally:
            self.abandon()

    def abandon(self) -> None:
        """Give up a generation that failed or was cancelled; the taps stay installed and do nothing."""
        self._phase.running = False
        self._phase.valid = None
        for tap in self._taps:
            tap.counts = None

    def _load(self) -> None:
        rows = [self._rows[row] for row in self._live]
        scoped = any(row is not None and not row.is_identity and row.scope is TokenScope.GENERATED for row in rows)
        prompt_rows = [None if row is None or row.scope is TokenScope.GENERATED else row for row in rows]
        everywhere = coefficients(rows if not scoped else prompt_rows, self.widths)
        generated = coefficients(rows, self.widths) if scoped else everywhere
        for tap, layer, layer_generated in zip(self._taps, everywhere, generated, strict=True):
            tap.load((layer, layer_generated) if scoped else (layer,))
        self._shares = (1.0,) * len(rows)
        self._phase.rows = len(rows)
        self._phase.scoped = scoped
        self._phase.generated = False
        self._phase.steers = any(row is not None and not row.is_identity for row in rows)

    def _collect(self) -> list[GateStatistics]:
        parts = [tap.counts for tap in self._taps]
        counts = [part for part in parts if part is not None]
        active = torch.cat([part.active.cpu() for part in counts], dim=1)
        total = torch.cat([part.total.cpu() for part in counts], dim=1)
        total_sq = torch.cat([part.total_sq.cpu() for part in counts], dim=1)
        tokens = counts[0].tokens.tolist()
        # Clones: a row that is kept must not keep its whole batch in memory.
        return [
            GateStatistics(self.widths, active[row].clone(), total[row].clone(), total_sq[row].clone(), tokens[row])
            for row in range(len(self._rows))
        ]


@dataclass
class _Phase:
    """What all hooks of one model do at the moment."""

    running: bool = False
    records: bool = False
    steers: bool = False
    scoped: bool = False
    generated: bool = False
    rows: int = 0
    valid: torch.Tensor | None = None


@dataclass
class _Counts:
    """One gate's counts of every row the generation began with: [rows, width], and tokens [rows]."""

    active: torch.Tensor
    total: torch.Tensor
    total_sq: torch.Tensor
    tokens: torch.Tensor
    live: torch.Tensor | None = None

    def to(self, device: torch.device) -> _Counts:
        return _Counts(
            self.active.to(device),
            self.total.to(device),
            self.total_sq.to(device),
            self.tokens.to(device),
            None if self.live is None else self.live.to(device),
        )

    def add(self, gate: torch.Tensor, valid: torch.Tensor | None, with_tokens: bool) -> None:
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


class _Tap:
    """The hook of one gate and its buffers."""

    def __init__(self, phase: _Phase, layer: int, width: int, device: torch.device | str, dtype: torch.dtype) -> None:
        self.phase = phase
        self.layer = layer
        self.width = width
        self.device = torch.device(device)
        self.dtype = dtype
        with torch.inference_mode(False):
            self.calls = torch.zeros((), dtype=torch.int64, device=device)
        self.seen = 0
        self.counts: _Counts | None = None
        self.loaded: tuple[Coefficients, ...] = ()
        self.buffers: list[Coefficients] = []
        self.needs: tuple[Needs, ...] = ()
        self.full: list[Coefficients] = []
        self.shares: torch.Tensor | None = None

    def __call__(self, module: nn.Module, args: object, gate: torch.Tensor) -> torch.Tensor | None:
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
        graphed = _in_a_graph(gate)
        if graphed:
            self.calls.add_(1)
        else:
            self.seen += 1
        if phase.records and self.counts is not None:
            valid = phase.valid
            if valid is not None and valid.shape[:2] != gate.shape[:2]:
                raise TapError(
                    f"A pass over {list(gate.shape[:2])} positions was announced as {list(valid.shape[:2])}."
                )
            self.counts.add(gate.detach(), valid, self.layer == 0)
        if not phase.steers:
            return None
        coefficients = self.buffers[phase.generated]
        # A graph outlives the settings it was made under: only the whole form is right for those that come.
        return coefficients.apply(gate) if graphed else coefficients.apply_needed(gate, self.needs[phase.generated])

    def reset(self, rows: int, record: bool) -> None:
        """Forget what was counted."""
        self.calls.zero_()
        self.seen = 0
        if record:
            with torch.inference_mode(False):
                size = (rows, self.width)
                self.counts = _Counts(
                    torch.zeros(size, dtype=torch.int64, device=self.device),
                    torch.zeros(size, dtype=torch.float64, device=self.device),
                    torch.zeros(size, dtype=torch.float64, device=self.device),
                    torch.zeros(rows, dtype=torch.int64, device=self.device),
                )

    def keep(self, live: list[int]) -> None:
        """Count the batch's rows into these rows of the counts from now on."""
        if self.counts is not None:
            self.counts.live = torch.tensor(live, device=self.device)

    def load(self, layers: tuple[Coefficients, ...]) -> None:
        """Take coefficients, float32 on the CPU: for the prompt, and for generated positions where they differ.

        Buffers of the right shape are written in place, so that compiled and captured graphs see the change.
        """
        self.loaded, self.full, self.shares = layers, [], None
        # Shares of these strengths need no more than they do.
        self.needs = tuple(layer.needs() for layer in layers)
        # Outside inference mode, so that a later generation, in that mode or not, may write into the buffers.
        with torch.inference_mode(False), torch.no_grad():
            for index, layer in enumerate(layers):
                if index < len(self.buffers) and self.buffers[index].scale.shape == layer.scale.shape:
                    self.buffers[index].copy_(layer)
                else:
                    self.buffers[index : index + 1] = [layer.to(self.device, self.dtype)]

    def dim(self, shares: torch.Tensor) -> None:
        """Set the buffers to a share, [rows], of the strengths that were loaded."""
        self.shares = shares
        with torch.inference_mode(False), torch.no_grad():
            if not self.full:
                self.full = [layer.to(self.device, self.dtype) for layer in self.loaded]
            for buffer, full in zip(self.buffers, self.full, strict=False):
                buffer.copy_(full.at_share(shares))

    def _move(self, gate: torch.Tensor) -> None:
        self.device, self.dtype = gate.device, gate.dtype
        with torch.inference_mode(False):
            self.calls = self.calls.to(self.device)
            self.buffers, shares = [], self.shares
            self.load(self.loaded)
            if shares is not None:
                self.dim(shares)
            if self.counts is not None:
                self.counts = self.counts.to(self.device)


def _in_a_graph(gate: torch.Tensor) -> bool:
    """Whether what runs now is being compiled, or captured to be replayed."""
    return torch.compiler.is_compiling() or (gate.is_cuda and torch.cuda.is_current_stream_capturing())
