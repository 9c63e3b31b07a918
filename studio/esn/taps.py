"""GateTaps: one forward hook per gate that counts and steers (paper sections 3.1 and 3.4)."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Self

import torch
from torch import nn
from torch.utils.hooks import RemovableHandle

from studio.esn.errors import TapError
from studio.esn.gatetap import GateTap, Phase
from studio.esn.intervention import Steering, TokenScope, coefficients
from studio.esn.statistics import GateStatistics


class GateTaps:
    """Taps on a model's gates: install once per loaded model, then ``begin`` and ``end`` each generation.

    ``gates``: the activation modules (Qwen2-style ``mlp.act_fn``) in layer order, whose output is g [batch, tokens,
    width]; ``widths``: their sizes. ``device`` and ``dtype`` say where and in what the gates compute, so that buffers
    lie ready; a gate that turns out to compute elsewhere has its buffers moved on its first call.

    A generation is ``begin``, then ``positions`` before each forward pass, then ``end``. Outside of it, and while no
    row steers and nothing is recorded, the taps add nothing to the numbers. What is counted is g as the model computed
    it, before steering. All of it stays on the gate's device, and nothing waits for the device before ``end``.

    A graph outlives the settings it was made under, so in one (``torch.compile``, or a CUDA graph captured by hand) a
    gate always goes through the whole form, max(scale * g + shift, floor), and reads it from buffers that ``begin``,
    ``positions``, ``intensity`` and ``keep_rows`` write in place: the identity for rows, positions and times that are
    not steered. What Python alone knows and a graph cannot follow is found out by ``end``: calls, and passes that were
    recorded, are counted in one-element tensors there (a Python counter would be guarded on, or frozen). A graph that
    was captured outside of a generation therefore cannot pass for a steered one.

    In eager mode a Python counter is enough and saves a kernel per gate; a gate gets only what its neurons need
    (nothing, or a product, or a sum, or a floor), to the bit the same as the whole form.
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
        self._phase = Phase()
        self._taps = [GateTap(self._phase, layer, width, device, dtype) for layer, width in enumerate(self.widths)]
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
            if any(isinstance(hook, GateTap) for hook in gate._forward_hooks.values()):
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
        turned = generated and self._phase.scoped
        if turned is not self._phase.generated:
            self._phase.generated = turned
            for tap in self._taps:
                tap.turn(int(turned))

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

        Raises TapError when a gate was not called exactly once per pass, or not recorded in each: then steering or
        counts cannot be trusted.
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
            if any(tap.counts is None or int(tap.counts.passes) != int(tap.calls) for tap in self._taps):
                raise TapError(
                    "A graph was replayed that had been captured while nothing was recorded, so its counts are "
                    "missing; capture another while recording, or record without graphs."
                )
            with torch.inference_mode(False):
                return self._collect()
        finally:
            self.abandon()

    def abandon(self) -> None:
        """Give up a generation that failed or was cancelled; the taps stay installed and do nothing."""
        steered = self._phase.steers
        self._phase.running = self._phase.steers = self._phase.scoped = self._phase.generated = False
        self._phase.valid = None
        for tap in self._taps:
            tap.counts = None
            if steered:
                tap.rest()

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
