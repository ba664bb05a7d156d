"""AllocationLog tensors against what is known to be made and let go."""

import torch

from convscope.network.engine.allocation_log import AllocationLog


def test_what_is_made_and_let_go_is_noted_in_its_order() -> None:
    given = torch.zeros(100)
    with AllocationLog() as noted:
        one = given + 1
        noted.scale = 2.0
        two = one * one
        del one
        view = two.view(10, 10).add_(1)  # nothing new
        del two
    assert noted.events == [(1, 400), (2, 800), (1, 0)]
    del view
    assert noted.events[-1] == (2, 0)


def test_events_of_elsewhere_get_numbers_of_their_own() -> None:
    with AllocationLog() as noted:
        kept = torch.zeros(10)
        noted.insert([(1, 70), (2, 30), (1, 0)])
        noted.insert([(1, 50)])
    assert noted.events == [(1, 40), (2, 70), (3, 30), (2, 0), (4, 50)]
    assert kept.shape == (10,)
