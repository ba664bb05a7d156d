"""How numbers become pictures: a basis (pixels, Fourier, pyramid, magnitude-constrained), colors, a range.

>>> Painting(Fourier(), color=IMAGENET)  # what lucid paints on
"""
