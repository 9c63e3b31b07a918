"""Run by hand: the adapter of CosyVoice-300M-Instruct on the model's own code, built tiny with random weights.

    PYTHONPATH=. ENVIRONMENT/bin/python tests/models/check_cosyvoice.py --code REPOSITORY --matcha REPOSITORY

The repositories are github.com/FunAudioLLM/CosyVoice and its submodule github.com/shivammehta25/Matcha-TTS. It runs
their code. What stands in for packages that are not installed is printed.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import safe_open

from studio.audio.clip import Clip
from studio.cli import main as cli
from studio.corpora.base import Utterance
from studio.emotions import NEUTRAL
from studio.errors import Cancelled, StudioError
from studio.esn.automation import Automation
from studio.esn.emosteer import SUFFIX, EmoSteering, EmoVectors
from studio.esn.emosteer_hook import fold
from studio.esn.intervention import Mode, Steering
from studio.esn.mask import EsnMask
from studio.lalm import assignment, cosyvoice, remote_code, wavefile
from studio.lalm.base import ConversionRequest
from studio.lalm.cosyvoice_teaching import CosyVoiceTeacher, Row, teach
from studio.lalm.hosted import HostedLALM
from studio.lalm.steerable import COSYVOICE, COSYVOICE_OUTPUT
from studio.pipelines import emosteer
from tests.models.cosyvoice_tiny import SPEAKER, SPEECH_TOKENS, VOICE, WIDTH, checkpoint, stand_in
from tests.models.reporting import SOURCE, Report, same

TEXT = "Hello there."
REQUEST = ConversionRequest(SOURCE, "happy", text=TEXT)
STEPS = 12


def tiny() -> Any:
    """What a host loads: the model that was built by the process that starts it."""
    stand_in()
    return cosyvoice.hosted()


def vectors(scale: float = 150.0) -> EmoVectors:
    """Drawn at random, large enough to be heard."""
    rng = np.random.default_rng(0)
    weights = {name: rng.normal(0, scale, (WIDTH, WIDTH)).astype(np.float32) for name in ("happy", "angry")}
    return EmoVectors(WIDTH, COSYVOICE_OUTPUT, weights, metadata={"model_id": cosyvoice.MODEL_ID})


def steered(**alphas: float) -> ConversionRequest:
    """The request, steered by those vectors."""
    return replace(REQUEST, emosteer=EmoSteering(vectors(), alphas))


def convert(model: Any, request: ConversionRequest = REQUEST, **more: Any) -> Any:
    """One conversion."""
    return model.convert([request], **more)[0]


@contextmanager
def ending(model: Any, after: int) -> Iterator[None]:
    """Random weights do not end their speech: force it, ``after`` so many passes of the decoder."""
    calls = 0

    def force(module: torch.nn.Module, args: Any, logits: torch.Tensor) -> torch.Tensor:
        nonlocal calls
        calls += 1
        logits = logits.clone()
        logits[..., SPEECH_TOKENS] = 1e4 if calls % after == 0 else -1e4
        return logits

    handle = model.reader.llm.llm_decoder.register_forward_hook(force)
    try:
        yield
    finally:
        handle.remove()


def refusal(call: Any) -> str:
    """The sentence with which something is refused; empty when it is not."""
    try:
        call()
    except StudioError as problem:
        return str(problem)
    return ""


def check_loading(report: Report, folder: Path) -> Any:
    """Consent, and the classes that come of it."""
    digest = remote_code.code_digest(folder)
    report.check("nothing is loaded without consent", "agree" in refusal(
        lambda: cosyvoice.load(folder, agreed=None)))  # fmt: skip
    report.check("nor with consent to other code", "not those you agreed to" in refusal(
        lambda: cosyvoice.load(folder, agreed="0" * 64)))  # fmt: skip
    model = cosyvoice.load(folder, agreed=digest)
    cosy: Any = model.reader.cosy
    llm: Any = model.reader.llm
    for part in (cosy, cosy.model, llm, llm.llm, cosy.model.flow, cosy.model.hift, cosy.frontend):
        print(f"     {type(part).__module__}.{type(part).__qualname__}")
    print(f"     {model.info}")
    site = model.info.emosteer_sites
    report.check(f"the site is {site}", site == {COSYVOICE_OUTPUT: WIDTH})
    mlps = [layer.feed_forward for layer in llm.llm.encoders]
    parts = {tuple(sorted(name for name, _ in mlp.named_children())) for mlp in mlps}
    report.check(f"no layer's MLP is gated: {parts}, {type(mlps[0].activation).__name__}",
                 parts == {("activation", "dropout", "w_1", "w_2")})  # fmt: skip
    return model


def check_speech(report: Report, model: Any) -> Any:
    """Text, rate, seeds, the end of speech; returns the baseline."""
    plain = convert(model)
    report.check(f"{len(plain.speech_tokens)} tokens, {len(plain.audio.samples)} samples at {plain.audio.rate} Hz",
                 plain.audio.rate == 22_050 and len(plain.audio.samples) > 0)  # fmt: skip
    seconds = len(plain.audio.samples) / plain.audio.rate
    report.check(f"50 tokens to a second: {len(plain.speech_tokens) / seconds:.2f}",
                 abs(len(plain.speech_tokens) / seconds - 50) < 2)  # fmt: skip
    with ending(model, 10_000):
        endless = convert(model)
        report.check(f"what its limit ended, after {len(endless.speech_tokens)} tokens, is marked truncated",
                     endless.truncated)  # fmt: skip
    with ending(model, 30):
        ended = convert(model)
        report.check(f"what ended itself is not ({len(ended.speech_tokens)} tokens)",
                     not ended.truncated and len(ended.speech_tokens) == 29)  # fmt: skip
        text = " ".join(["The quick brown fox jumps over the lazy dog, and then it sleeps all day long."] * 9)
        parts = len(model.reader.lines(text, "happy", torch.zeros(1, VOICE)))
        long = convert(model, replace(REQUEST, text=text))
        report.check(f"a long text is spoken in {parts} parts, each to its end: {len(long.speech_tokens)} tokens",
                     model._passes.count - len(long.speech_tokens) == parts > 1 and not long.truncated)  # fmt: skip
    report.check("greedy twice is the same, tokens and samples", same(plain, convert(model)))
    state = torch.random.get_rng_state()
    drawn = convert(model, replace(REQUEST, seed=7))
    report.check("sampled, one seed gives one result", same(drawn, convert(model, replace(REQUEST, seed=7))))
    report.check("another seed another", not same(drawn, convert(model, replace(REQUEST, seed=8))))
    report.check("the generator is afterwards what it was", torch.equal(state, torch.random.get_rng_state()))
    report.check("the emotion changes the instruction, and so the speech",
                 not same(plain, convert(model, replace(REQUEST, target="sad"))))  # fmt: skip
    other = Clip((SOURCE.samples * np.sign(np.sin(np.arange(22_050) * 0.02))).astype(np.float32), 22_050, "other")
    report.check("so does the voice", not same(plain, convert(model, replace(REQUEST, source=other))))
    return plain


def check_steering(report: Report, model: Any, plain: Any) -> None:
    """EmoSteer, before the projection onto speech tokens."""
    llm = model.reader.llm
    report.check("alpha 0 is the baseline, sample for sample", same(plain, convert(model, steered(happy=0.0))))
    seen: list[tuple[torch.Tensor, torch.Tensor]] = []
    states: list[torch.Tensor] = []
    hooks = [
        llm.llm.after_norm.register_forward_hook(lambda module, args, out: states.append(out[:, -1].clone())),
        llm.llm_decoder.register_forward_hook(lambda module, args, out: seen.append((states[-1], args[0].clone()))),
    ]
    happy = convert(model, steered(happy=3.0))
    for hook in hooks:
        hook.remove()
    matrix = torch.from_numpy(vectors().weights["happy"])
    report.check(f"h' = h + 3 * 0.001 * h W_e in all of {len(seen)} passes", all(
        torch.allclose(after, before + 0.003 * before @ matrix, atol=1e-5) for before, after in seen))  # fmt: skip
    report.check("alpha 3 changes the speech", not same(plain, happy))
    report.check("afterwards the baseline is what it was", same(plain, convert(model)))
    both = EmoSteering(vectors(), {"happy": 1.0, "angry": 2.0})
    together = convert(model, replace(REQUEST, emosteer=both))
    weight = llm.llm_decoder.weight.detach().clone()
    with torch.no_grad():
        llm.llm_decoder.weight.copy_(fold(llm.llm_decoder, both).weight)
    folded = convert(model)
    with torch.no_grad():
        llm.llm_decoder.weight.copy_(weight)
    report.check("two emotions add up, and equal the folded projection, token by token",
                 np.array_equal(together.speech_tokens, folded.speech_tokens)
                 and not same(together, plain))  # fmt: skip


def check_ends(report: Report, model: Any, plain: Any) -> None:
    """Cancelling, errors in the model's thread, and what is refused."""
    asked = 0

    def fourth() -> bool:
        nonlocal asked
        asked += 1
        return asked >= 4

    try:
        convert(model, steered(happy=1.0), cancelled=fourth)
        report.check("cancelling ends it", False)
    except Cancelled:
        report.check(f"cancelled when first asked, after {model._passes.count} tokens", model._passes.count == 2)
    kept = model.reader.cosy.model
    report.check("nothing is left of it", not (kept.tts_speech_token_dict or kept.flow_cache_dict or kept.llm_end_dict))
    report.check("as before after cancelling", same(plain, convert(model)))

    def fail(*_: Any) -> None:
        if model._passes.count == 3:
            raise RuntimeError("no memory bank")

    hook = model.reader.llm.llm.encoders[1].register_forward_pre_hook(fail)
    says = refusal(lambda: convert(model))
    hook.remove()
    report.check(f"an error in its thread is raised: {says}", "RuntimeError: no memory bank" in says)
    report.check("as before after an error", same(plain, convert(model)))
    mask = EsnMask((4,), {"happy": np.array([[0, 1]], np.int32)}, {"happy": np.zeros(1, np.float32)})
    neurons = Steering(mask, Mode.ADD, {"happy": 1.0})
    foreign = EmoVectors(8, "elsewhere", {"happy": np.ones((8, 8), np.float32)})
    curve = EmoSteering(vectors(), {"happy": 1.0}, Automation(((0.0, 1.0), (1.0, 0.2))))
    for what, call in (
        ("no transcript", lambda: convert(model, replace(REQUEST, text=None))),
        ("a mask of neurons", lambda: convert(model, replace(REQUEST, steering=neurons))),
        ("counting", lambda: convert(model, record=True)),
        ("vectors of another place", lambda: convert(
            model, replace(REQUEST, emosteer=EmoSteering(foreign, {"happy": 1})))),
        ("a curve", lambda: convert(model, replace(REQUEST, emosteer=curve))),
        ("an unknown speaker", lambda: cosyvoice.wrap(model.reader.cosy, "", speaker="nobody")),
    ):  # fmt: skip
        says = refusal(call)
        report.check(f"{what} is refused: {says}", says)


def check_against_its_own(report: Report, cosy: Any) -> None:
    """The sequence, against the model's own ways to speak and to train."""
    model = cosyvoice.wrap(cosy, "", speaker=SPEAKER, speaker_in_prompt=False)
    ours = convert(model, replace(REQUEST, seed=7)).speech_tokens[:, 0].tolist()
    taken: list[int] = []

    def take(token: torch.Tensor, *args: Any, **more: Any) -> torch.Tensor:
        taken.extend(token[0].tolist())
        return torch.zeros(1, 8)

    vars(model)["_make"] = take
    says = cosyvoice.INSTRUCTIONS["happy"] + cosyvoice.END_OF_PROMPT
    torch.manual_seed(7)
    list(cosy.inference_instruct(TEXT, SPEAKER, says))
    report.check(f"without the voice in the prompt: the {len(ours)} tokens of its own inference_instruct",
                 ours == taken)  # fmt: skip
    logits: list[torch.Tensor] = []
    hook = cosy.model.llm.llm_decoder.register_forward_hook(lambda module, args, out: logits.append(out.clone()))
    with ending(model, 25):
        greedy = convert(model)
    hook.remove()
    teacher, reader = teach(model), model.reader
    said = torch.cat([reader.instruction("happy"), reader.words(TEXT)], 1)[0]
    speech = torch.from_numpy(greedy.speech_tokens[:, 0])
    loss = teacher.teacher_forced([Row(said, speech, reader.voice(Path()))])
    wanted = torch.cat([speech, torch.tensor([SPEECH_TOKENS])])
    stepwise = torch.nn.functional.cross_entropy(torch.cat(logits), wanted)
    report.check(f"the training loss is that of the passes it speaks with: {loss:.6f}, {stepwise:.6f}",
                 math.isclose(loss, stepwise, rel_tol=1e-4))  # fmt: skip
    paper = cosyvoice.wrap(cosy, "", speaker=SPEAKER)
    teacher, voice = teach(paper), paper.reader.voice(Path())
    rows = [Row(said, speech, voice), Row(said[:-2], speech[:9], -voice)]
    batch = {
        "text_token": torch.nn.utils.rnn.pad_sequence([row.text for row in rows], True),
        "text_token_len": torch.tensor([len(row.text) for row in rows]),
        "speech_token": torch.nn.utils.rnn.pad_sequence([row.speech for row in rows], True),
        "speech_token_len": torch.tensor([len(row.speech) for row in rows]),
        "embedding": torch.cat([row.voice for row in rows]),
    }
    theirs, loss = cosy.model.llm(batch, torch.device("cpu"))["loss"], teacher.teacher_forced(rows)
    report.check(f"with it, of two rows of two lengths: that of its own training, {loss:.6f}, {theirs:.6f}",
                 math.isclose(loss, theirs, rel_tol=1e-5))  # fmt: skip


def corpus(folder: Path) -> list[Utterance]:
    """Two lines, neutral and happy, by one speaker; noise in bands."""
    rng = np.random.default_rng(3)
    lines = []
    for number, text in enumerate(("one two", "three four five")):
        for emotion in (NEUTRAL, "happy"):
            path = folder / f"{number}-{emotion}.wav"
            tone = np.sin(2 * np.pi * rng.uniform(200, 3000) * np.arange(12_000) / 16_000)
            wavefile.write(path, (0.3 * tone + 0.01 * rng.normal(size=12_000)).astype(np.float32), 16_000)
            lines.append(Utterance("s", number, emotion, path, text))
    return lines


def check_training(report: Report, model: Any, plain: Any, folder: Path) -> None:
    """The project's training loop, stopped and resumed, and what comes of it."""
    lines = corpus(folder)
    frozen = {name: value.clone() for name, value in model.reader.llm.state_dict().items()}
    teacher = CosyVoiceTeacher(model.reader, model.info)
    settings = emosteer.TrainSettings(("happy",), STEPS, batch=2, learning_rate=2.0, checkpoint=5)
    whole = emosteer.train(teacher, lines, settings, folder / "whole")
    asked = 0

    def later() -> bool:
        nonlocal asked
        asked += 1
        return asked > 7

    try:
        emosteer.train(teacher, lines, settings, folder / "parts", cancelled=later)
        report.check("training can be stopped", False)
    except Cancelled:
        parts = emosteer.train(teacher, lines, settings, folder / "parts")
        report.check("stopped after 7 steps and gone on with, it ends in the same bytes",
                     parts.to_bytes() == whole.to_bytes())  # fmt: skip
    facts = whole.metadata["training"]
    losses = losses_of(folder / "whole")
    report.check(f"the loss falls: {losses[0]:.4f} to {losses[-1]:.4f} in {facts['steps']} steps",
                 losses[-1] < losses[0])  # fmt: skip
    report.check("the model's own weights did not move", all(
        torch.equal(frozen[name], value) for name, value in model.reader.llm.state_dict().items()))  # fmt: skip
    path = folder / f"vectors{SUFFIX}"
    whole.save(path)
    back = EmoVectors.load(path)
    report.check("exported and imported they are the same", back.fingerprint() == whole.fingerprint())
    changed = convert(model, replace(REQUEST, emosteer=EmoSteering(back, {"happy": 3.0})))
    report.check("they fit the model and change its speech", not same(plain, changed))
    rows = [f"{each.path},{each.speaker},{each.emotion},{each.text},{each.utterance}" for each in lines]
    manifest, out = folder / "corpus.csv", folder / f"cli{SUFFIX}"
    manifest.write_text("\n".join(["path,speaker,emotion,text,utterance", *rows, ""]))
    code = cli(["emosteer", "train", str(manifest), "--model", COSYVOICE, "--steps", "2", "--batch", "1",
                "--emotions", "happy", "--out", str(out)])  # fmt: skip
    report.check("the command line trains them too", code == 0 and EmoVectors.load(out).site == COSYVOICE_OUTPUT)


def losses_of(work: Path) -> list[float]:
    """Of each step, from the checkpoint."""
    with safe_open(work / emosteer.CHECKPOINT, "pt") as file:
        losses: list[float] = json.loads(file.metadata()["emosteer"])["losses"]["happy"]
    return losses


def check_hosted(report: Report, model: Any) -> None:
    """Behind the host's protocol, in a process of its own."""
    hosted = HostedLALM([sys.executable, "-m", "studio.lalm.host", "tests.models.check_cosyvoice:tiny"], "tiny")
    try:
        report.check("hosted, it is what it is in process", hosted.info == model.info)
        for request in (REQUEST, steered(happy=3.0)):
            report.check("hosted, the same samples" + (", steered" if request.emosteer else ""),
                         same(convert(model, request), convert(hosted, request)))  # fmt: skip
        calls = iter([False] * 3 + [True] * 10_000)
        try:
            convert(hosted, replace(REQUEST, text=TEXT * 8), cancelled=lambda: next(calls))
            report.check("hosted, cancelling ends it", False)
        except Cancelled:
            report.check("hosted, cancelled, and it goes on", same(convert(model), convert(hosted)))
    finally:
        hosted.close()


def main() -> None:
    """Print what ran and how it ended."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--code", type=Path, required=True)
    parser.add_argument("--matcha", type=Path, required=True)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    os.environ["PYTHONPATH"] = os.pathsep.join([str(Path.cwd()), str(asked.matcha)])
    sys.path[:0] = [str(asked.code), str(asked.matcha)]
    report = Report("torch", "transformers", "diffusers", "HyperPyYAML", "openai-whisper", "onnxruntime", "numpy")
    missing = stand_in()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "checkpoint"
        checkpoint(folder, asked.code, asked.matcha)
        os.environ |= assignment.variables(None, None, str(folder), remote_code.code_digest(folder))
        model = check_loading(report, folder)
        plain = check_speech(report, model)
        check_steering(report, model, plain)
        check_ends(report, model, plain)
        check_training(report, model, plain, Path(name))
        check_hosted(report, model)
        cosy = model.reader.cosy
        model.close()
        check_against_its_own(report, cosy)
        hooks = [m for m in cosy.model.llm.modules() if m._forward_hooks or m._forward_pre_hooks]
        report.check("closing leaves no hook behind", not hooks and "llm_job" not in vars(cosy.model))
    print(f"stood in: {', '.join(missing) or 'nothing'}; speech was made to end, the two ONNX networks are tiny")
    report.did_not_run("real weights", "CUDA", "the pinned versions where others are printed above")
    report.leave()


if __name__ == "__main__":
    main()
