"""From arrays to pictures people read: scales and palettes, sheets, charts."""
