from __future__ import annotations

import jiwer
import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio.judges.content import EditKind, WordEdit, WordErrors, align_words, normalise, word_error_rate, word_errors


def test_normalisation_makes_spellings_of_the_same_words_equal():
    assert normalise("I can't  — BELIEVE it!") == normalise("i can not believe it")
    assert normalise("Twenty-three colours") == normalise("23 colors")


def test_same_words_have_no_errors_whatever_their_case_and_punctuation():
    assert word_error_rate("The blue box is gone.", "the BLUE box, is gone") == 0.0


def test_alignment_names_each_edit_in_order():
    assert align_words("the old man sold it", "the young man sold it again") == [
        WordEdit(EditKind.EQUAL, "the", "the"),
        WordEdit(EditKind.SUBSTITUTE, "old", "young"),
        WordEdit(EditKind.EQUAL, "man", "man"),
        WordEdit(EditKind.EQUAL, "sold", "sold"),
        WordEdit(EditKind.EQUAL, "it", "it"),
        WordEdit(EditKind.INSERT, "", "again"),
    ]
    assert align_words("we need the key", "we the key")[1] == WordEdit(EditKind.DELETE, "need", "")


@pytest.mark.parametrize(
    ("reference", "hypothesis", "rate"),
    [("", "", 0.0), ("the key", "", 1.0), ("", "the key", 2.0), ("...", "the", 1.0), ("the key", "!", 1.0)],
)
def test_empty_sides(reference, hypothesis, rate):
    assert word_error_rate(reference, hypothesis) == rate


def test_more_wrong_words_than_expected_words_exceed_one():
    assert word_error_rate("gone", "here and there") == 3.0


def test_errors_of_a_set_add_up():
    total = word_errors("the old house", "the old horse") + word_errors("we left", "we left")
    assert total == WordErrors(errors=1, words=5)
    assert total.rate == pytest.approx(0.2)


words = st.lists(st.sampled_from("river station bridge school roof garden".split()), max_size=8)


@given(words, words)
def test_rate_is_jiwers_and_alignment_spells_both_sides(reference, hypothesis):
    edits = align_words(" ".join(reference), " ".join(hypothesis))
    assert [edit.reference for edit in edits if edit.reference] == reference
    assert [edit.hypothesis for edit in edits if edit.hypothesis] == hypothesis
    if reference:
        expected = jiwer.wer(" ".join(reference), " ".join(hypothesis))
        assert word_error_rate(" ".join(reference), " ".join(hypothesis)) == pytest.approx(expected)
