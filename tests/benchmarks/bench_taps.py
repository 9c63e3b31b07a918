"""What taps cost: time per decoding step against the same model without them; run by hand:

    python -m tests.benchmarks.bench_taps

Every way generates the same number of tokens with transformers' own ``generate`` and its cache, taking turns within a
round; a round's figure is the median of its steps, a ratio is of two figures of one round, and printed are the median
and the quartiles of the ratios over all rounds. That all steered ways emit the same tokens is checked. The same for
whole generations, with all that begins and ends them, and then for our ways alone with turns after every single step,
where a busy machine slows both sides of a ratio alike. On the CPU time is the process's CPU time, which work of others
does not add to, on one thread; with CUDA it is time on the clock.

On the CPU the model is a random Qwen2 of 8 layers x 4096 gates in float32; with CUDA the thinker of Qwen2.5-Omni-7B in
full size, random bfloat16 weights, follows, with tokens per second and memory. nnsight and pyvene take part where they
are installed.
"""

from __future__ import annotations

import argparse
import gc
import random
import statistics
import sys
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
from torch import nn
from transformers import Qwen2Config, Qwen2ForCausalLM, StoppingCriteria, StoppingCriteriaList

from studio.esn.intervention import Mode, Steering
from studio.esn.mask import EsnMask
from studio.esn.selectors import Selector, select
from studio.esn.statistics import EmotionStatistics, GateStatistics
from studio.esn.taps import GateTaps
from tests.benchmarks.taps_rivals import Generate, nnsight_generate, pyvene_generate

RATE = 0.005
STRENGTH = 1.0
PROMPT = 16
WARM = 4
"""Steps at the start of a generation that are not timed."""

Way = Callable[[], AbstractContextManager[Any]]


def now(device: torch.device) -> float:
    """Seconds, when all that was asked for is done."""
    if device.type == "cuda":
        torch.cuda.synchronize()
        return time.perf_counter()
    return time.process_time()


class Clock(StoppingCriteria):
    """Notes when each token is there; never stops anything."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def __call__(self, input_ids: torch.Tensor, scores: object, **more: object) -> torch.Tensor:
        """One token of every row is done."""
        self.times.append(now(input_ids.device))
        return torch.zeros(len(input_ids), dtype=torch.bool, device=input_ids.device)

    def steps(self) -> list[float]:
        """Seconds of each step after the warm ones."""
        return [after - before for before, after in zip(self.times[WARM:], self.times[WARM + 1 :], strict=False)]


class Subject:
    """A model, its gates, and the ways to generate with it."""

    def __init__(self, model: nn.Module, gates: Sequence[nn.Module], width: int, batch: int, tokens: int) -> None:
        self.model: Any = model
        self.gates = list(gates)
        self.tokens = tokens
        self.batch = batch
        first = next(model.parameters())
        self.device, self.dtype = first.device, first.dtype
        self.widths = (width,) * len(self.gates)
        self.mask = random_mask(self.widths)
        pairs = torch.from_numpy(self.mask.indices["happy"]).long()
        self.chosen = [pairs[pairs[:, 0] == layer, 1].to(self.device) for layer in range(len(self.gates))]
        generator = torch.Generator().manual_seed(1)
        self.prompt = torch.randint(0, 900, (batch, PROMPT), generator=generator).to(self.device)
        self.taps = GateTaps(self.gates, self.widths, device=self.device, dtype=self.dtype)

    def generate(self, generator: Any = None, **more: Any) -> tuple[torch.Tensor, list[float]]:
        """Tokens [batch, PROMPT + tokens] and the seconds of each step."""
        clock = Clock()
        with torch.inference_mode():
            ids = (generator or self.model.generate)(
                self.prompt,
                attention_mask=torch.ones_like(self.prompt),
                max_new_tokens=self.tokens,
                min_new_tokens=self.tokens,
                do_sample=False,
                pad_token_id=0,
                stopping_criteria=StoppingCriteriaList([clock]),
                **more,
            )
        return ids, clock.steps()

    @contextmanager
    def idle(self) -> Iterator[None]:
        """Taps installed, no generation begun."""
        with self.taps:
            yield

    @contextmanager
    def tapped(self, steering: Steering | None, *, record: bool = False, forwards: int | None = None) -> Iterator[None]:
        """A generation through the taps, every row steered alike; verified at its end."""
        with self.taps:
            self.taps.begin([steering] * self.batch, record=record)
            yield
            self.taps.end(self.tokens if forwards is None else forwards)

    @contextmanager
    def naive(self) -> Iterator[None]:
        """A hook that copies the gate and multiplies the selected neurons by fancy indexing."""
        handles = []
        for gate, chosen in zip(self.gates, self.chosen, strict=True):

            def hook(module: nn.Module, args: object, out: torch.Tensor, at: torch.Tensor = chosen) -> torch.Tensor:
                out = out.clone()
                out[..., at] *= 1 + STRENGTH
                return out

            handles.append(gate.register_forward_hook(hook))
        yield
        for handle in handles:
            handle.remove()


def random_mask(widths: tuple[int, ...]) -> EsnMask:
    """Neurons at random over all layers, as many as a rate of 0.5 % selects."""
    empty = GateStatistics.zeros(widths)
    counted = GateStatistics(widths, empty.active, empty.total, empty.total_sq, tokens=1)
    return select(EmotionStatistics(widths, {"happy": counted}), Selector.RANDOM, RATE, compare=("happy",))


def ways_of(subject: Subject) -> dict[str, tuple[Way, Generate | None]]:
    """All ways by name: what is around a generation, and what generates if not the model itself."""
    gain = Steering(subject.mask, Mode.GAIN, {"happy": STRENGTH})
    clamp = Steering(subject.mask, Mode.CLAMP, {"happy": 0.1})
    ways: dict[str, tuple[Way, Generate | None]] = {
        "no taps": (nullcontext, None),
        "taps, idle": (subject.idle, None),
        "taps, unsteered": (lambda: subject.tapped(None), None),
        "taps, gain on 0.5 %": (lambda: subject.tapped(gain), None),
        "taps, clamp on 0.5 %": (lambda: subject.tapped(clamp), None),
        "taps, recording": (lambda: subject.tapped(None, record=True), None),
        "taps, gain, recording": (lambda: subject.tapped(gain, record=True), None),
        "naive hooks, gain": (subject.naive, None),
    }
    names = {id(module): name for name, module in subject.model.named_modules()}
    paths = [names[id(gate)] for gate in subject.gates]
    for name, make in (("nnsight", nnsight_generate), ("pyvene", pyvene_generate)):
        try:
            ways[f"{name}, gain"] = (nullcontext, make(subject.model, paths, subject.chosen, 1 + STRENGTH))
        except ImportError:
            print(f"  {name} is not installed: left out")
    return ways


Figures = dict[str, list[float]]


def measure(subject: Subject, rounds: int) -> tuple[Figures, Figures]:
    """Median seconds of a step, and seconds of the whole generation, by way, for every round."""
    ways = ways_of(subject)
    emitted: dict[str, torch.Tensor] = {}
    for name, (around, generate) in ways.items():
        with around():
            emitted[name] = subject.generate(generate)[0]
    plain, steered = emitted["no taps"], emitted["naive hooks, gain"]
    assert not torch.equal(plain, steered), "steering changes nothing, so equal tokens would prove nothing"
    for name, ids in emitted.items():
        if "clamp" not in name:
            assert torch.equal(ids, steered if "gain" in name else plain), f"{name} emits other tokens"
    steps: Figures = {name: [] for name in ways}
    wholes: Figures = {name: [] for name in ways}
    for turn in range(rounds):
        for name in shuffled(ways, turn):
            around, generate = ways[name]
            began = now(subject.device)
            with around():
                steps[name].append(statistics.median(subject.generate(generate)[1]))
            wholes[name].append(now(subject.device) - began)
    return steps, wholes


def shuffled(names: Iterable[str], turn: int) -> list[str]:
    """An order of its own for each turn, so that none always follows the same other."""
    ordered = list(names)
    random.Random(turn).shuffle(ordered)
    return ordered


def step_by_step(subject: Subject, turns: int) -> Figures:
    """Seconds of single decoding steps, the ways taking turns after each; the second step of a turn is the one timed.

    All read the same token after the same prompt, whose cache is cut back after every step.
    """
    gain = Steering(subject.mask, Mode.GAIN, {"happy": STRENGTH})
    announced: dict[str, Way] = {
        "taps, unsteered": lambda: subject.tapped(None, forwards=2),
        "taps, gain on 0.5 %": lambda: subject.tapped(gain, forwards=2),
    }
    ways: dict[str, Way] = {
        "no taps": nullcontext, "taps, idle": subject.idle, "naive hooks, gain": subject.naive, **announced,
    }  # fmt: skip
    figures: Figures = {name: [] for name in ways}
    with torch.inference_mode():
        cache = subject.model(subject.prompt, use_cache=True).past_key_values
        token = subject.prompt[:, -1:]
        for turn in range(turns):
            for name in shuffled(ways, turn):
                with ways[name]():
                    for _ in range(2):
                        began = now(subject.device)
                        if name in announced:
                            subject.taps.positions(None, True)
                        subject.model(token, past_key_values=cache, use_cache=True).logits.argmax(-1)
                        took = now(subject.device) - began
                        cache.crop(-1)
                figures[name].append(took)
    return figures


def report(figures: Figures, batch: int) -> None:
    """Print times, and ratios within rounds."""
    base = figures["no taps"]
    for name, seconds in figures.items():
        ratios = [own / none for own, none in zip(seconds, base, strict=True)]
        low, middle, high = quartiles(ratios)
        step = statistics.median(seconds)
        print(
            f"  {name:22} {1000 * step:8.3f} ms a step {batch / step:8.1f} tokens a second "
            f"{middle:7.3f} x no taps ({low:.3f} to {high:.3f})"
        )
    compare(figures, "steps")


def compare(figures: Figures, what: str) -> None:
    """Print what steering costs, in percent."""
    steered = figures["taps, gain on 0.5 %"]
    for against in ("taps, unsteered", "no taps"):
        ratios = [own / other for own, other in zip(steered, figures[against], strict=True)]
        low, middle, high = (100 * (ratio - 1) for ratio in quartiles(ratios))
        print(f"  {what}: gain over {against}: {middle:+.2f} % ({low:+.2f} to {high:+.2f})", flush=True)


def quartiles(values: Sequence[float]) -> tuple[float, float, float]:
    """Lower quartile, median, upper quartile."""
    low, middle, high = statistics.quantiles(values, n=4)
    return low, middle, high


def hook_cost(subject: Subject, repeats: int = 400) -> None:
    """Microseconds that a gate's hook adds to one call of the gate alone."""
    gate = subject.gates[0]
    value = torch.randn(subject.batch, 1, subject.widths[0], device=subject.device, dtype=subject.dtype)
    gain = Steering(subject.mask, Mode.GAIN, {"happy": STRENGTH})

    def once(around: AbstractContextManager[None]) -> float:
        times = []
        with around, torch.inference_mode():
            for _ in range(repeats):
                began = time.perf_counter()
                gate(value)
                times.append(time.perf_counter() - began)
        return 1e6 * statistics.median(times)

    @contextmanager
    def tapped(steering: Steering | None, record: bool = False) -> Iterator[None]:
        with subject.taps:
            subject.taps.begin([steering] * subject.batch, record=record)
            yield

    plain = once(nullcontext())
    costs = {
        "idle": once(subject.idle()),
        "unsteered": once(tapped(None)),
        "gain": once(tapped(gain)),
        "recording": once(tapped(None, True)),
        "naive": once(subject.naive()),
    }
    said = ", ".join(f"{name} {cost - plain:+.1f}" for name, cost in costs.items())
    print(f"  one gate alone {plain:.1f} us; its hook adds, in us: {said}")


def middle_size() -> tuple[nn.Module, list[nn.Module], int]:
    """A random Qwen2 of 8 layers x 4096 gates, 119 M parameters, float32."""
    torch.manual_seed(0)
    config = Qwen2Config(
        vocab_size=1000, hidden_size=1024, intermediate_size=4096, num_hidden_layers=8, num_attention_heads=16,
        num_key_value_heads=4, max_position_embeddings=512, bos_token_id=None, eos_token_id=None,
    )  # fmt: skip
    model = Qwen2ForCausalLM(config).eval()
    return model, [layer.mlp.act_fn for layer in model.model.layers], config.intermediate_size


def full_size() -> tuple[nn.Module, list[nn.Module], int]:
    """The thinker of Qwen2.5-Omni-7B in full size with random bfloat16 weights, without its vision tower."""
    from transformers import Qwen2_5OmniThinkerConfig, Qwen2_5OmniThinkerForConditionalGeneration

    width = 18_944
    config = Qwen2_5OmniThinkerConfig(
        text_config={
            "vocab_size": 152_064, "hidden_size": 3584, "intermediate_size": width, "num_hidden_layers": 28,
            "num_attention_heads": 28, "num_key_value_heads": 4,
            "rope_parameters": {"rope_type": "default", "rope_theta": 1e6, "mrope_section": [16, 24, 24]},
        },
        vision_config={"depth": 1},
    )  # fmt: skip
    torch.manual_seed(0)
    torch.set_default_dtype(torch.bfloat16)
    try:
        with torch.device("cuda"):
            model: Any = Qwen2_5OmniThinkerForConditionalGeneration(config).eval()
    finally:
        torch.set_default_dtype(torch.float32)
    decoder = getattr(model.model, "language_model", model.model)
    model.generation_config.eos_token_id = None
    return model, [layer.mlp.act_fn for layer in decoder.layers], width


def everything(subject: Subject, rounds: int, turns: int) -> None:
    """Print all of one model at one batch size."""
    hook_cost(subject)
    compare(step_by_step(subject, turns), f"{turns} single steps in turn")
    steps, wholes = measure(subject, rounds)
    report(steps, subject.batch)
    compare(wholes, "whole generations")


def main(argv: Sequence[str] | None = None) -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--tokens", type=int, default=20, help="generated in one turn")
    parser.add_argument("--turns", type=int, default=200, help="of single steps")
    args = parser.parse_args(argv)
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    print(f"torch {torch.__version__}, Python {sys.version.split()[0]}, {args.rounds} rounds of {args.tokens} tokens")
    for batch in (1, 8):
        print(f"CPU, random Qwen2, 8 x 4096 gates, float32, batch {batch}:", flush=True)
        subject = Subject(*middle_size(), batch, args.tokens)
        everything(subject, args.rounds, args.turns)
    del subject
    gc.collect()
    if not torch.cuda.is_available():
        print("CUDA: none here, so Qwen2.5-Omni-7B in full size was not run.")
        return
    model, gates, width = full_size()
    for batch in (1, 8):
        print(f"{torch.cuda.get_device_name()}, random Qwen2.5-Omni-7B thinker, bfloat16, batch {batch}:", flush=True)
        torch.cuda.reset_peak_memory_stats()
        subject = Subject(model, gates, width, batch, 4 * args.tokens)
        everything(subject, args.rounds, args.turns)
        print(f"  memory at most {torch.cuda.max_memory_allocated() / 2**30:.1f} GiB")


if __name__ == "__main__":
    main()
