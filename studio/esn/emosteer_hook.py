"""EmoSteer as a hook: shifts the input of one module by learned vectors, row by row (arXiv 2601.22873, section 3.2)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Self

import torch
from torch import nn
from torch.utils.hooks import RemovableHandle

from studio.esn.emosteer import EmoSteering, EmoVectors
from studio.esn.errors import EmoSteerError
from studio.esn.graphs import captured


class EmoSteer:
    """The EmoSteer layer before ``module``, whose first input is h [rows, dim] or [rows, tokens, dim].

    Install once per loaded model, then ``begin`` and ``end`` each generation; other alphas of the same emotions are
    written into the buffers in place. Outside of a generation, and where no row steers, h is passed on untouched; a row
    whose alphas are 0 keeps every bit of h beside rows that steer. ``device`` and ``dtype`` say where h is computed; h
    that turns out to be elsewhere has the buffers moved.

    Which matrices there are is Python's to know: ``torch.compile`` compiles anew where others are asked for, and a CUDA
    graph captured by hand, which could not, is refused. Calls are counted on that device, for ``end`` to verify, as
    :class:`studio.esn.taps.GateTaps` does.
    """

    def __init__(
        self,
        module: nn.Module,
        dim: int,
        *,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self.dim = dim
        self._module = module
        self._device, self._dtype = torch.device(device), dtype
        self._handle: RemovableHandle | None = None
        self._running = False
        self._rows: list[EmoSteering | None] = []
        self._live: list[int] = []
        self._shares: tuple[float, ...] = ()
        with torch.inference_mode(False):
            self._calls = torch.zeros((), dtype=torch.int64, device=self._device)
        self._sources: dict[int, EmoVectors] = {}
        self._learned: tuple[tuple[int, str], ...] = ()
        self._matrices: torch.Tensor | None = None
        self._amounts: torch.Tensor | None = None
        self._steered: torch.Tensor | None = None

    @property
    def installed(self) -> bool:
        """True while the hook sits on the module."""
        return self._handle is not None

    def install(self) -> Self:
        """Put the hook on; raises EmoSteerError when the module carries one already."""
        if any(getattr(hook, "__func__", None) is EmoSteer._shift for hook in self._module._forward_pre_hooks.values()):
            raise EmoSteerError("This module's input is shifted by other learned vectors already; remove them first.")
        self._handle = self._module.register_forward_pre_hook(self._shift)
        return self

    def remove(self) -> None:
        """Take the hook off and give up any generation; the model is what it was. May be called again."""
        self.abandon()
        if self._handle is not None:
            self._handle.remove()
            self._handle = None

    def __enter__(self) -> Self:
        return self if self.installed else self.install()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.remove()

    def begin(self, rows: Sequence[EmoSteering | None]) -> None:
        """Start a generation of a batch; ``rows`` says how each row is steered (None: not at all).

        An unfinished generation is given up. Raises EmoSteerError when the hook is not installed, there is no row, or a
        row's vectors are not as wide as h.
        """
        if not self.installed:
            raise EmoSteerError("EmoSteer is not installed on the model.")
        if not rows:
            raise EmoSteerError("A generation needs at least one row.")
        self.abandon()
        for row in rows:
            if row is not None and row.vectors.dim != self.dim:
                raise EmoSteerError(
                    f"The learned vectors are {row.vectors.dim} wide, but the hidden state they are to shift has "
                    f"{self.dim} dimensions; choose vectors made for this model."
                )
        self._rows = list(rows)
        self._live = list(range(len(rows)))
        self._shares = (1.0,) * len(rows)
        self._load()
        self._calls.zero_()
        self._running = True

    def intensity(self, shares: Sequence[float]) -> None:
        """Steer each row of the current batch at this share of its alphas, 0 to 1, from the next call on.

        Raises EmoSteerError outside of a generation or for another number of rows.
        """
        self._require_running()
        if len(shares) != len(self._live):
            raise EmoSteerError(f"{len(shares)} shares of alpha do not fit a batch of {len(self._live)} rows.")
        if tuple(shares) != self._shares:
            self._shares = tuple(shares)
            self._load()

    def keep_rows(self, index: Sequence[int] | torch.Tensor) -> None:
        """Go on with some rows of the current batch only (``index`` into it)."""
        self._require_running()
        kept = [int(row) for row in index]
        if not kept or len(set(kept)) != len(kept) or not all(0 <= row < len(self._live) for row in kept):
            raise EmoSteerError(f"Rows {kept} are no selection of a batch of {len(self._live)}.")
        self._live = [self._live[row] for row in kept]
        self._shares = tuple(self._shares[row] for row in kept)
        self._load()

    def end(self, calls: int | None = None) -> None:
        """Finish a generation in which the module was called ``calls`` times (None: at least once).

        Raises EmoSteerError when the hook was not: then the generation was not steered as asked.
        """
        self._require_running()
        seen = int(self._calls)
        self.abandon()
        if seen != calls if calls is not None else seen == 0:
            expected = "at least once" if calls is None else f"{calls} times"
            raise EmoSteerError(
                f"The learned vectors' module was called {seen} times and not {expected}, so this generation cannot be "
                "trusted; fused kernels and models compiled before the hook was installed bypass it."
            )

    def abandon(self) -> None:
        """Give up a generation that failed or was cancelled; the hook stays installed and does nothing."""
        self._running = False

    def _require_running(self) -> None:
        if not self._running:
            raise EmoSteerError("There is no generation that learned vectors could steer.")

    def _load(self) -> None:
        """Write what the live rows ask for into the buffers; matrices only when others than before are asked for."""
        rows = [self._rows[row] for row in self._live]
        sources = {id(row.vectors): row.vectors for row in rows if row is not None and not row.is_identity}
        learned = [
            (key, emotion)
            for key, vectors in sources.items()
            for emotion in vectors.emotions
            if any(row is not None and row.vectors is vectors and row.alphas.get(emotion) for row in rows)
        ]
        # Amounts alone would make -0.0 + 0 * x of -0.0: rows that do not steer take h itself.
        steered = torch.tensor(
            [
                row is not None and not row.is_identity and share > 0
                for row, share in zip(rows, self._shares, strict=True)
            ]
        )
        amounts = torch.zeros(len(learned), len(rows), 1, 1, dtype=torch.float64)
        for at, (key, emotion) in enumerate(learned):
            for place, (row, share) in enumerate(zip(rows, self._shares, strict=True)):
                if row is not None and id(row.vectors) == key and not row.is_identity:
                    amounts[at, place] = row.alphas.get(emotion, 0.0) * row.vectors.eps * share
        with torch.inference_mode(False), torch.no_grad():
            if tuple(learned) != self._learned or self._matrices is None:
                # The objects are held on to, since an id is another's once its owner is gone.
                self._learned, self._sources = tuple(learned), sources
                size = (len(learned), self.dim, self.dim)
                self._matrices = torch.zeros(size, dtype=self._dtype, device=self._device)
                for at, (key, emotion) in enumerate(learned):
                    self._matrices[at].copy_(torch.from_numpy(sources[key].weights[emotion]))
            self._amounts = _written(self._amounts, amounts, self._device, self._dtype)
            self._steered = _written(self._steered, steered.view(-1, 1, 1), self._device, torch.bool)

    def _shift(self, module: nn.Module, args: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...] | None:
        if not self._running:
            return None
        hidden, *rest = args
        if hidden.dim() not in (2, 3) or hidden.shape[0] != len(self._live) or hidden.shape[-1] != self.dim:
            raise EmoSteerError(
                f"The learned vectors' module was given {list(hidden.shape)} instead of "
                f"[{len(self._live)}, tokens, {self.dim}]; they do not fit this model or this batch."
            )
        if hidden.device != self._device or hidden.dtype is not self._dtype:
            self._move(hidden)
        if captured(hidden):
            raise EmoSteerError(
                "Learned vectors cannot be part of a CUDA graph, which would go on with the vectors it was captured "
                "with; capture what comes after their module."
            )
        self._calls.add_(1)
        if not self._learned or self._matrices is None or self._amounts is None or self._steered is None:
            return None
        tokens = hidden if hidden.dim() == 3 else hidden.unsqueeze(1)
        shifted = tokens
        for matrix, amount in zip(self._matrices, self._amounts, strict=True):
            shifted = torch.addcmul(shifted, amount, tokens @ matrix)
        return (torch.where(self._steered, shifted, tokens).view(hidden.shape), *rest)

    def _move(self, hidden: torch.Tensor) -> None:
        self._device, self._dtype = hidden.device, hidden.dtype
        with torch.inference_mode(False):
            self._calls = self._calls.to(self._device)
            self._matrices = self._amounts = self._steered = None
            self._load()


class EmoSteerLayer(nn.Module):
    """The layer in training: W_e of each emotion as parameters, zero at first, so that training begins at the baseline.

    h' = h + eps * h W_e; ``shifting`` puts it before a module for one emotion.
    """

    def __init__(self, dim: int, emotions: Sequence[str], eps: float) -> None:
        super().__init__()
        self.eps = eps
        self.weights = nn.ParameterDict({emotion: nn.Parameter(torch.zeros(dim, dim)) for emotion in emotions})

    def forward(self, hidden: torch.Tensor, emotion: str) -> torch.Tensor:
        """Shift h [..., dim]."""
        learned: torch.Tensor = self.weights[emotion]
        return hidden + self.eps * (hidden @ learned.to(hidden))

    @contextmanager
    def shifting(self, module: nn.Module, emotion: str) -> Iterator[list[int]]:
        """Within, the input of ``module`` is shifted for ``emotion``; yields a list that gets an entry per call."""
        calls: list[int] = []

        def shift(_: nn.Module, args: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
            calls.append(1)
            return (self(args[0], emotion), *args[1:])

        handle = module.register_forward_pre_hook(shift)
        try:
            yield calls
        finally:
            handle.remove()


def fold(linear: nn.Linear, steering: EmoSteering) -> nn.Linear:
    """A linear layer that does on h what ``linear`` does on h': (I + the sum of alpha * eps * W_e) folded into it.

    Raises EmoSteerError when the widths differ.
    """
    if linear.in_features != steering.vectors.dim:
        raise EmoSteerError(
            f"Vectors {steering.vectors.dim} wide cannot be folded into a layer with {linear.in_features} inputs."
        )
    weight = linear.weight.detach()
    folded = nn.Linear(linear.in_features, linear.out_features, linear.bias is not None, weight.device, weight.dtype)
    shift = torch.from_numpy(steering.matrix()).to(weight.device)
    with torch.no_grad():
        folded.weight.copy_(weight.double() + weight.double() @ shift.T)
        if linear.bias is not None:
            folded.bias.copy_(linear.bias)
    return folded.requires_grad_(linear.weight.requires_grad)


def _written(
    buffer: torch.Tensor | None, values: torch.Tensor, device: torch.device, dtype: torch.dtype
) -> torch.Tensor:
    """``buffer`` overwritten in place where its shape is right, so that compiled graphs see the change; else anew."""
    if buffer is not None and buffer.shape == values.shape:
        return buffer.copy_(values)
    return values.to(device, dtype, copy=True)
