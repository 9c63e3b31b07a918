"""A word-pair language model of the sentences that may be said, in the ARPA format recognisers read."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Iterable, Sequence

START, END = "<s>", "</s>"
_NEVER = -99.0


def bigram_arpa(sentences: Iterable[Sequence[str]]) -> str:
    """An ARPA bigram model of ``sentences`` (words each), smoothed after Witten and Bell (1991).

    Any word may follow any other, at the price of how rarely that happens: what was not said in the sentences can
    still be heard. Raises ValueError when there is no word.
    """
    pairs: Counter[tuple[str, str]] = Counter()
    words: Counter[str] = Counter()
    for sentence in sentences:
        spoken = [START, *sentence, END]
        pairs.update(itertools.pairwise(spoken))
        words.update(spoken[1:])
    vocabulary = sorted(words)
    if vocabulary in ([], [END]):
        raise ValueError("a language model needs at least one word")
    unseen = len(vocabulary)
    total = words.total() + unseen
    # The unigram is smoothed too, towards all words alike.
    single = {word: (words[word] + 1) / total for word in vocabulary}
    followers: dict[str, int] = Counter(first for first, _ in pairs)
    seen: Counter[str] = Counter()
    for (first, _), count in pairs.items():
        seen[first] += count

    def backoff(word: str) -> float:
        return math.log10(followers[word] / (seen[word] + followers[word])) if word in seen else 0.0

    def pair(first: str, second: str) -> float:
        new = followers[first]
        return math.log10((pairs[first, second] + new * single[second]) / (seen[first] + new))

    lines = ["\\data\\", f"ngram 1={len(vocabulary) + 1}", f"ngram 2={len(pairs)}", "", "\\1-grams:"]
    lines += [f"{_NEVER:.6f} {START} {backoff(START):.6f}"]
    lines += [f"{math.log10(single[word]):.6f} {word} {backoff(word):.6f}" for word in vocabulary]
    lines += ["", "\\2-grams:"]
    lines += [f"{pair(first, second):.6f} {first} {second}" for first, second in sorted(pairs)]
    return "\n".join([*lines, "", "\\end\\", ""])
