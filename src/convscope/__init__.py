"""See what a convolutional network has learned.

>>> import convscope
>>> network = convscope.open_network("bvlc_googlenet/")
>>> network.predict("cat.jpg")
>>> convscope.filters(network, "conv1/7x7_s2").save("filters.png")
"""

import lazy_loader

from convscope._version import __version__ as __version__

# Each is loaded on first use, so that `convscope --help` need not wait for torch.
_public, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
_CALLED = {"render_vis": "feature_visualization", "load": "open_network", "load_model": "open_network"}


def __getattr__(name: str) -> object:
    """Return a public name; of one that is not there, say which it may be: ``GradCAM`` is `grad_cam` here."""
    try:
        return _public(name)
    except AttributeError:
        if name in __all__ or name.startswith("_"):
            raise
    from convscope.errors import did_you_mean, same_letters

    meant = _CALLED.get(name) or same_letters(name, filter(str.islower, __all__))
    hint = f" Did you mean {meant!r}?" if meant else did_you_mean(name, __all__)
    raise AttributeError(f"convscope has no {name!r}.{hint}")
