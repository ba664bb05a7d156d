"""What the page knows of a network beforehand."""

from convscope import open_network
from convscope.web.network_facts import network_facts


def test_a_tour_shows_a_filter_that_can_be_read() -> None:
    """It showed the first, which in this network is a faint one."""
    network = open_network("builtin")
    weights = network.parameters["conv1.weight"].numpy()
    spread = [float(one.std()) for one in weights]
    assert network_facts(network)["boldest"] == max(range(48), key=spread.__getitem__) != 0
