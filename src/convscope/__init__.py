"""See what a convolutional network has learned.

>>> import convscope
>>> network = convscope.open_network("bvlc_googlenet/")
>>> network.predict("cat.jpg")
>>> convscope.filters(network, "conv1/7x7_s2").save("filters.png")
"""

import lazy_loader

from convscope._version import __version__ as __version__

# Each is loaded on first use, so that `convscope --help` need not wait for torch.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
