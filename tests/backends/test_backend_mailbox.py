"""Calls reach the loop or are handed back; none is lost between the two."""

from __future__ import annotations

import threading
from functools import partial

from dodas.backends.mailbox import Mailbox


def test_calls_are_made_in_order() -> None:
    box = Mailbox()
    made: list[int] = []
    for number in range(3):
        assert box.post(partial(made.append, number))
    for call in box.calls():
        call()
    assert made == [0, 1, 2]
    assert box.close() == []


def test_what_came_too_late_is_handed_back_or_refused() -> None:
    box = Mailbox()
    taken, refused = [0], [0]

    def post_many() -> None:
        for _ in range(2000):
            (taken if box.post(lambda: None) else refused)[0] += 1

    poster = threading.Thread(target=post_many)
    poster.start()
    made = 0
    while made < 100 and poster.is_alive():
        made += len(list(box.calls()))
    left = len(box.close())
    poster.join()
    assert made + left == taken[0]
    assert taken[0] + refused[0] == 2000
    assert box.close() == []
