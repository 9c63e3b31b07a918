"""The shared time axis."""

from __future__ import annotations

import pytest

from studio.gui.timeaxis import SHORTEST_VIEW, TimeAxis


@pytest.fixture
def axis(qapp: object) -> TimeAxis:
    result = TimeAxis()
    result.set_length(4.0)
    return result


def test_zooming_keeps_the_point_under_the_mouse_and_stays_inside(axis: TimeAxis) -> None:
    axis.zoom(0.5, 1.0)
    assert (axis.start, axis.stop) == pytest.approx((0.5, 2.5))
    axis.zoom(100.0, 1.0)
    assert (axis.start, axis.stop) == pytest.approx((0.0, 4.0))
    axis.zoom(1e-9, 4.0)
    assert axis.stop == pytest.approx(4.0)
    assert axis.stop - axis.start == pytest.approx(SHORTEST_VIEW)


def test_a_view_of_everything_follows_the_length_and_a_zoomed_one_stays(axis: TimeAxis) -> None:
    axis.set_length(6.0)
    assert (axis.start, axis.stop) == (0.0, 6.0)
    axis.show(1.0, 2.0)
    axis.set_length(8.0)
    assert (axis.start, axis.stop) == pytest.approx((1.0, 2.0))
    axis.set_length(1.5)
    assert (axis.start, axis.stop) == pytest.approx((0.5, 1.5))


def test_a_zoomed_view_turns_the_page_with_the_playhead(axis: TimeAxis) -> None:
    axis.show(0.0, 1.0)
    axis.set_playhead(2.5)
    assert axis.start <= 2.5 <= axis.stop
    axis.set_playhead(99.0)
    assert axis.playhead == 4.0


def test_loops_are_ordered_clipped_and_never_empty(axis: TimeAxis) -> None:
    axis.set_loop((3.0, 1.0))
    assert axis.loop == (1.0, 3.0)
    axis.set_loop((-1.0, 9.0))
    assert axis.loop == (0.0, 4.0)
    axis.set_loop((2.0, 2.0))
    assert axis.loop is None


@pytest.mark.parametrize("span", [0.06, 0.5, 2.4, 30.0, 600.0, 3600.0])
def test_ticks_are_few_and_within_the_view(axis: TimeAxis, span: float) -> None:
    axis.set_length(span)
    ticks = axis.ticks(10)
    assert 2 <= len(ticks) <= 12
    assert axis.start <= ticks[0]
    assert ticks[-1] <= axis.stop + 1e-6
