"""TensorFlow's own answers: run by an interpreter that has it, with a graph, its inputs and what is asked for.

    python tensorflow_oracle.py graph.pb inputs.npz asked.json answers.npz

``asked`` has ``values``, names of tensors, and ``gradients``, names of those whose sum's gradient for the (first)
input is wanted.
"""

import json
import os
import sys
from pathlib import Path

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["TF_ENABLE_ONEDNN_OPTS"] = "0"


def main(graph_file: str, inputs_file: str, asked_file: str, answers_file: str) -> None:
    import numpy as np
    import tensorflow as tf

    tf.compat.v1.disable_eager_execution()
    definition = tf.compat.v1.GraphDef()
    definition.ParseFromString(Path(graph_file).read_bytes())
    tf.import_graph_def(definition, name="")
    asked = json.loads(Path(asked_file).read_text())
    graph = tf.compat.v1.get_default_graph()
    with tf.compat.v1.Session(graph=graph) as session:
        feed = {graph.get_tensor_by_name(f"{name}:0"): value for name, value in np.load(inputs_file).items()}
        first = next(iter(feed))
        tensors = {
            name: graph.get_tensor_by_name(name if ":" in name else f"{name}:0") for name in asked["values"]
        }
        answers = session.run(tensors, feed)
        for name in asked["gradients"]:
            (gradient,) = tf.gradients(tf.reduce_sum(graph.get_tensor_by_name(f"{name}:0")), first)
            answers[f"gradient {name}"] = session.run(gradient, feed)
    np.savez(answers_file, **{name.replace("/", "|"): value for name, value in answers.items()})


if __name__ == "__main__":
    main(*sys.argv[1:])
