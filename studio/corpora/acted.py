"""Corpora of acted emotions that say in each file's name who speaks which line how: RAVDESS, CREMA-D, EmoDB, TESS."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from studio.corpora.base import Corpus, Utterance, audio_files, require_folder
from studio.emotions import other_emotion, parse_emotion


@dataclass(frozen=True)
class NamedLayout:
    """How file names are read.

    ``pattern`` matches the whole stem and names ``speaker``, ``line`` and ``emotion``; ``emotions`` translates the
    emotion's code into a name (codes not in it are names already); ``lines`` holds the text of each line's code, in
    the order of utterance numbers. ``carrier`` is the text of lines that are one word in a sentence; ``speakers`` mends
    misspelt speakers.
    """

    name: str
    pattern: re.Pattern[str]
    emotions: Mapping[str, str]
    lines: Mapping[str, str]
    carrier: str = ""
    speakers: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    def recognises(self, root: Path) -> bool:
        """Whether most sound files below ``root`` are named this way."""
        files = [path for path in audio_files(root)[0] if not path.stem.startswith(".")]
        return bool(files) and 2 * sum(self.pattern.fullmatch(path.stem) is not None for path in files) > len(files)

    def scan(self, root: Path) -> Corpus:
        """Utterances, and what was left out or could not be read. Raises CorpusError when ``root`` is no folder."""
        require_folder(root)
        files, problems = audio_files(root)
        matches = [(path, match) for path in files if (match := self.pattern.fullmatch(path.stem))]
        codes = [*self.lines, *sorted({match["line"] for _, match in matches} - set(self.lines))]
        numbers = {code: number for number, code in enumerate(codes, start=1)}
        left_out: Counter[str] = Counter()
        utterances = []
        for path, match in matches:
            label = self.emotions.get(match["emotion"].upper(), match["emotion"])
            emotion = parse_emotion(label)
            if emotion is None:
                left_out[other_emotion(label)] += 1
                continue
            line = match["line"]
            text = self.lines.get(line, self.carrier.format(line.lower()) if self.carrier else None)
            speaker = match["speaker"].upper()
            utterances.append(Utterance(self.speakers.get(speaker, speaker), numbers[line], emotion, path, text))
        utterances.sort(key=lambda each: (each.speaker, each.utterance, each.emotion, each.path))
        passed_over = len(files) - len(matches)
        return Corpus(self.name, root, tuple(utterances), dict(left_out), tuple(problems), passed_over)


RAVDESS = NamedLayout(
    "ravdess",
    # Modality, channel (01 speech, 02 song), emotion, intensity, statement, repetition, actor.
    re.compile(r"\d\d-01-(?P<emotion>\d\d)-\d\d-(?P<line>\d\d)-\d\d-(?P<speaker>\d\d)"),
    {
        "01": "neutral", "02": "calm", "03": "happy", "04": "sad", "05": "angry", "06": "fearful", "07": "disgust",
        "08": "surprised",
    },
    {"01": "Kids are talking by the door.", "02": "Dogs are sitting by the door."},
)  # fmt: skip
"""Livingstone and Russo, 2018; speech only."""

CREMA_D = NamedLayout(
    "crema-d",
    re.compile(r"(?P<speaker>\d{4})_(?P<line>[A-Z]{3})_(?P<emotion>[A-Z]{3})_[A-Z]{1,2}"),
    {"ANG": "angry", "DIS": "disgust", "FEA": "fear", "HAP": "happy", "NEU": "neutral", "SAD": "sad"},
    {
        "IEO": "It's eleven o'clock.", "TIE": "That is exactly what happened.", "IOM": "I'm on my way to the meeting.",
        "IWW": "I wonder what this is about.", "TAI": "The airplane is almost full.",
        "MTI": "Maybe tomorrow it will be cold.", "IWL": "I would like a new alarm clock.",
        "ITH": "I think I have a doctor's appointment.", "DFA": "Don't forget a jacket.",
        "ITS": "I think I've seen this before.", "TSI": "The surface is slick.",
        "WSI": "We'll stop in a couple of minutes.",
    },
)  # fmt: skip
"""Cao et al., 2014."""

EMODB = NamedLayout(
    "emodb",
    re.compile(r"(?P<speaker>\d\d)(?P<line>[ab]\d\d)(?P<emotion>[WLEAFTN])[a-z]?"),
    {"W": "angry", "L": "boredom", "E": "disgust", "A": "fear", "F": "happy", "T": "sad", "N": "neutral"},
    {
        "a01": "Der Lappen liegt auf dem Eisschrank.",
        "a02": "Das will sie am Mittwoch abgeben.",
        "a04": "Heute abend könnte ich es ihm sagen.",
        "a05": "Das schwarze Stück Papier befindet sich da oben neben dem Holzstück.",
        "a07": "In sieben Stunden wird es soweit sein.",
        "b01": "Was sind denn das für Tüten, die da unter dem Tisch stehen?",
        "b02": "Sie haben es gerade hochgetragen und jetzt gehen sie wieder runter.",
        "b03": "An den Wochenenden bin ich jetzt immer nach Hause gefahren und habe Agnes besucht.",
        "b09": "Ich will das eben wegbringen und dann mit Karl was trinken gehen.",
        "b10": "Die wird auf dem Platz sein, wo wir sie immer hinlegen.",
    },
)
"""Burkhardt et al., 2005; German. Names are right where label files beside them are not."""

TESS = NamedLayout(
    "tess",
    re.compile(
        r"(?P<speaker>[OY]AF?)_(?P<line>[A-Za-z']+)_(?P<emotion>angry|disgust|fear|happy|neutral|ps|sad|"
        r"pleasant[_-]surprised?|surprised?)",
        re.IGNORECASE,
    ),
    {},
    {},
    "Say the word {}.",
    {"OA": "OAF", "YA": "YAF"},
)
"""Pichora-Fuller and Dupuis, 2020; one word per recording in a carrier sentence. One file is named OA_bite_neutral."""

NAMED_LAYOUTS = (RAVDESS, CREMA_D, EMODB, TESS)
