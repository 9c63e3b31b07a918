"""The other end of ``hosted``: ``python -m studio.lalm.host MODULE:FUNCTION`` in the environment of one model.

A hosted adapter is a function without arguments that returns a ``studio.lalm.base.SpeechLALM``; nothing else is asked
of it. This process imports the method, the wire and that adapter only. Whatever libraries print goes to standard error,
so that nothing but frames enters the pipe. With ``--greet MODULE`` it says what is there (see ``greeting``) and ends.
"""

from __future__ import annotations

import importlib
import os
import sys
import threading
import time
from typing import Any, BinaryIO

from studio.errors import Cancelled, StudioError
from studio.lalm import greeting, messages, wire
from studio.lalm.base import SpeechLALM

BEAT_SECONDS = 1.0
"""How often the host says that it lives."""

GRACE_SECONDS = 3.0
"""A model that still computes so long after the other side is gone is ended: over ssh nobody else could."""


class Host:
    """Serves one model over a pair of streams until the first of them ends."""

    def __init__(self, incoming: BinaryIO, outgoing: BinaryIO) -> None:
        self._incoming = incoming
        self._outgoing = outgoing
        self._writing = threading.Lock()
        self._cancel = threading.Event()
        self._waiting = threading.Condition()
        self._jobs: list[dict[str, Any]] = []
        self._over = threading.Event()

    def serve(self, loader: str) -> int:
        """Load the model, say what it is, then convert what is asked; 0 when the other side is done."""
        self._send({"kind": "hello", "version": wire.VERSION})
        threading.Thread(target=self._beat, name="beat", daemon=True).start()
        try:
            module, _, function = loader.partition(":")
            model: SpeechLALM = getattr(importlib.import_module(module), function)()
        except Exception as error:
            self._send(_failure(error))
            return 1
        self._send({"kind": "ready", "version": wire.VERSION, "info": messages.pack_info(model.info)})
        threading.Thread(target=self._listen, name="listen", daemon=True).start()
        while (job := self._next()) is not None:
            try:
                self._send(self._convert(model, job))
            except Cancelled:
                self._send({"kind": "cancelled"})
            except Exception as error:
                self._send(_failure(error))
        model.close()
        return 0

    def _convert(self, model: SpeechLALM, job: dict[str, Any]) -> dict[str, Any]:
        made = model.convert(
            messages.unpack_requests(job["batch"]),
            module=job["module"],
            record=job["record"],
            progress=lambda share: self._send({"kind": "progress", "share": float(share)}),
            cancelled=self._cancel.is_set,
            on_audio=(lambda row, samples: self._send({"kind": "audio", "row": row, "samples": samples}))
            if job["stream"]
            else None,
        )
        return {"kind": "done", "rows": [messages.pack_conversion(each) for each in made]}

    def _next(self) -> dict[str, Any] | None:
        with self._waiting:
            self._waiting.wait_for(lambda: self._jobs or self._over.is_set())
            return None if self._over.is_set() else self._jobs.pop(0)

    def _listen(self) -> None:
        try:
            while (message := wire.read(self._incoming)) is not None:
                if message["kind"] == "cancel":
                    self._cancel.set()
                elif message["kind"] == "convert":
                    with self._waiting:
                        self._cancel.clear()
                        self._jobs.append(message)
                        self._waiting.notify()
        finally:
            self._cancel.set()
            with self._waiting:
                self._over.set()
                self._waiting.notify()
            time.sleep(GRACE_SECONDS)
            os._exit(1)

    def _beat(self) -> None:
        while not self._over.wait(BEAT_SECONDS):
            try:
                self._send({"kind": "alive"})
            except OSError:
                return

    def _send(self, message: dict[str, Any]) -> None:
        with self._writing:
            wire.write(self._outgoing, message)


def _failure(error: Exception) -> dict[str, Any]:
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return {"kind": "failed", "why": "memory", "words": str(error)}
    known = isinstance(error, StudioError)
    words = str(error) if known else f"{type(error).__name__}: {error}"
    return {"kind": "failed", "why": "request" if known else "defect", "words": words}


def main() -> int:
    """Take the pipe away from whoever prints, then serve."""
    outgoing = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    if sys.argv[1] == "--greet":
        wire.write(outgoing, greeting.greet(sys.argv[2]))
        return 0
    return Host(sys.stdin.buffer, outgoing).serve(sys.argv[1])


if __name__ == "__main__":
    sys.exit(main())
