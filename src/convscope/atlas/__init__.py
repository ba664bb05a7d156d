"""The atlas: every unit of a network, with what it wants to see and what it finds, as a folder that opens anywhere."""
