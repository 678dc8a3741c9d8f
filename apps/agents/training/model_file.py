"""Model files: one .safetensors holds the nodes (JSON in its metadata) and the weights.
Written and read here with numpy alone. Used by the recipes, evaluate.py and halve.py."""

import json
import struct

import numpy as np

DTYPES = {np.float32: "F32", np.float16: "F16"}


def write(path, model, tensors):
    """Writes float32 and float16 tensors, in the order given and without holes, under the model's description."""
    header = {"__metadata__": {"gramian.model": json.dumps(model)}}
    offset = 0
    for name, tensor in tensors.items():
        header[name] = {"dtype": DTYPES[tensor.dtype.type], "shape": list(tensor.shape),
                        "data_offsets": [offset, offset + tensor.nbytes]}
        offset += tensor.nbytes
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)))
        file.write(text)
        for tensor in tensors.values():
            file.write(np.ascontiguousarray(tensor).astype(tensor.dtype.newbyteorder("<")).tobytes())


def read(path):
    """The description of the model, None where the file holds tensors alone, and its tensors by name."""
    with open(path, "rb") as file:
        data = file.read()
    size, = struct.unpack_from("<Q", data)
    header = json.loads(data[8:8 + size])
    model = json.loads(header.pop("__metadata__", {}).get("gramian.model", "null"))
    tensors = {}
    for name, entry in header.items():
        first, last = entry["data_offsets"]
        dtype = {"F32": "<f4", "F16": "<f2"}[entry["dtype"]]
        tensors[name] = np.frombuffer(data[8 + size + first:8 + size + last], dtype).reshape(entry["shape"])
    return model, tensors


def describe(head, name, activation, attributes):
    """The nodes of an encoder of three linear layers before a head that learns from (key, target) pairs."""
    nodes = []

    def linear(layer, source, out):
        nodes.append({"op": "linear", "in": [source], "out": [out],
                      "weights": {"weight": f"encoder.{layer}.weight", "bias": f"encoder.{layer}.bias"},
                      "attributes": {}})

    def activate(source, out):
        nodes.append({"op": "activation", "in": [source], "out": [out], "attributes": {"kind": activation}})

    linear(0, "observation", "h0")
    activate("h0", "h1")
    linear(2, "h1", "h2")
    activate("h2", "h3")
    linear(4, "h3", "key")
    nodes.append({"op": head, "in": {"q": "key", "k": "key", "v": "target"}, "out": ["y"],
                  "attributes": attributes})
    nodes.append({"op": "squash", "in": ["y"], "out": ["action"],
                  "attributes": {"kind": "clip", "low": [-1], "high": [1]}})
    return {
        "version": 1, "name": name, "task": "cartpole-random",
        "inputs": [{"name": "observation", "size": 5}, {"name": "target", "size": 1, "context": True}],
        "outputs": [{"name": "action", "size": 1, "low": [-1], "high": [1]}],
        "period_s": 0.02, "nodes": nodes,
    }
