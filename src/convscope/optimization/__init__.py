"""What a unit wants to see, found by optimization: objectives, canvases, transforms, regularizers, the ascent."""
