"""What lines and colors do to a unit
==================================

Stripes, colors, disks and arcs, drawn around what a neuron sees, and what it answers to them.
`convscope.tuning_curves`.
"""

import convscope

network = convscope.open_network("builtin")
picture = convscope.tuning_curves(network, "conv2:23")
