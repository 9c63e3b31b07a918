"""The embedded model's closed vocabulary: the instruction's words and the 162 words of its corpus."""

from __future__ import annotations

from studio.emotions import EMOTIONS

WORDS: tuple[str, ...] = tuple(
    sorted(
        set(
            """
a about again ago and apples asked at away back baker before behind believe bicycle blanket blue boat bought
box bread bridge bring broke broken brother brought buy by can captain car carried carry chair clean cleaned
clock coat did dinner doctor door driver drop dropped everyone father find for forgot found friend garden gate
gave girl gone green guy have he heard heavy her here his house how i in is it key kitchen know knows last
leave left letter man me mine minute monday morning move moved moving my near need neighbor never new next
night nobody not now of old on open opened other our paint painted paper phone picture piece ready red river
roof room saw school see sell she should showed silver sister sold some something station still stone table
take teacher that the there they think this tickets to today told took under us very warm we when where why
window woman wooden yellow you young
""".split()
        )
    )
)

VOCABULARY: tuple[str, ...] = (
    "<pad>",
    "<source>",
    "<instruction>",
    "convert",
    "to",
    *EMOTIONS,
    "<text>",
    "<speech>",
    *WORDS,
)
INDEX: dict[str, int] = {word: index for index, word in enumerate(VOCABULARY)}
SPEECH = INDEX["<speech>"]


def instruction(target: str) -> list[int]:
    """Token ids of ``<instruction> convert to TARGET <text>``."""
    return [INDEX[word] for word in ("<instruction>", "convert", "to", target, "<text>")]


def encode(words: str) -> list[int]:
    """Token ids of a line of known words; raises KeyError for others."""
    return [INDEX[word] for word in words.split()]
