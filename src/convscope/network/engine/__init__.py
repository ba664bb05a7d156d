"""How a graph runs: execution, fusion, tape, memory."""
