"""The local page: `convscope explore` shows every unit of a network, live, in a browser on the same machine."""
