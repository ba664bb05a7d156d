"""Methods beside each other
=========================

Methods in rows, classes in columns, and below each map what it is worth on this picture.
`convscope.compare_methods`.
"""

import convscope

network = convscope.open_network("builtin")
picture = convscope.compare_methods(
    network, "coffee", ["espresso", "teapot"], methods=["grad-cam", "occlusion", "relevance"]
)
