"""A model in any form goes in, a Network comes out."""
