"""Keras's files written by hand: configurations as its versions word them, weights with h5py alone."""

import io
import json
import zipfile

import h5py
import numpy as np


def layer(class_name, name, *reads, version=2, **config):
    """A layer of a Functional model; `reads` are names, or (name, call) pairs."""
    refs = [(ref, 0) if isinstance(ref, str) else ref for ref in reads]
    if version == 3:
        tensors = [
            {"class_name": "__keras_tensor__", "config": {"keras_history": [one, call, 0]}}
            for one, call in refs
        ]
        args = tensors if len(tensors) == 1 else [tensors]
        nodes = [{"args": args, "kwargs": {}}] if refs else []
    else:
        nodes = [[[one, call, 0, {}] for one, call in refs]] if refs else []
    config = {"name": name, "trainable": True, **config}
    return {"class_name": class_name, "name": name, "config": config, "inbound_nodes": nodes}


def functional(name, layers, inputs, outputs):
    """A Functional model; outputs are names, or (name, call) pairs."""
    outputs = [(one, 0) if isinstance(one, str) else one for one in outputs]
    config = {
        "name": name,
        "layers": layers,
        "input_layers": [[one, 0, 0] for one in inputs],
        "output_layers": [[one, call, 0] for one, call in outputs],
    }
    return {"class_name": "Functional", "config": config, "name": name}


def sequential(name, layers):
    return {"class_name": "Sequential", "config": {"name": name, "layers": layers}}


def input_layer(shape, name="photo", key="batch_input_shape"):
    return layer("InputLayer", name, **{key: [None, *shape]})


def write_groups(group, weights):
    """A group a layer: `weights` maps its name to (variable's name, array) pairs, in Keras's order."""
    group.attrs["layer_names"] = [name.encode() for name in weights]
    for name, variables in weights.items():
        of_layer = group.create_group(name)
        of_layer.attrs["weight_names"] = [variable.encode() for variable, _ in variables]
        for variable, array in variables:
            of_layer[variable] = array


def write_h5(path, description, weights, version="2.2.4", backend="tensorflow"):
    """A whole model as Keras 1 and 2 save it."""
    with h5py.File(path, "w") as file:
        file.attrs["model_config"] = json.dumps(description)
        if version:
            file.attrs["keras_version"], file.attrs["backend"] = version, backend
        write_groups(file.create_group("model_weights"), weights)
    return path


def write_keras(path, description, datasets, compression=zipfile.ZIP_STORED):
    """A ``.keras`` file: `datasets` maps paths such as ``layers/conv2d/vars/0`` to arrays."""
    weights = io.BytesIO()
    with h5py.File(weights, "w") as file:
        for key, array in datasets.items():
            file[key] = array
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("metadata.json", json.dumps({"keras_version": "3.1.0"}))
        archive.writestr("config.json", json.dumps(description))
        archive.writestr("model.weights.h5", weights.getvalue())
    return path


def normal(*shape, seed=0, scale=0.5):
    return np.random.default_rng([seed, *shape]).normal(0, scale, shape).astype(np.float32)


def positive(*shape, seed=0):
    return np.random.default_rng([seed, *shape]).uniform(0.5, 1.5, shape).astype(np.float32)
