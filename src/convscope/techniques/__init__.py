"""What can be shown of a network: one technique a file, each a function that returns Pictures."""
