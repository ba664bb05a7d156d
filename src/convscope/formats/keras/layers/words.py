"""Layers that read words or categories: no picture goes through them, and a sentence says so."""

from __future__ import annotations

from convscope.formats.keras.layers.registry import keras_layer
from convscope.formats.keras.layers.translation import Dialect, Steps, Use
from convscope.formats.keras.model import KerasLayer
from convscope.formats.keras.variable import Variable


def _table(layer: KerasLayer, dialect: Dialect) -> tuple[Variable, ...]:
    return (Variable("embeddings"),)


@keras_layer("Embedding", variables=_table)
def _embedding(use: Use) -> Steps:
    raise use.wrong("it looks words up by their numbers; convscope looks into networks that see pictures")


@keras_layer(
    "CategoryEncoding", "Discretization", "HashedCrossing", "Hashing", "IntegerLookup", "StringLookup",
    "TextVectorization",
)  # fmt: skip
def _categories(use: Use) -> Steps:
    raise use.wrong(
        "it makes numbers of words or categories; convscope looks into networks that see pictures"
    )
