"""A model file at work in numpy float32, many systems side by side: learns from a demonstration of each,
then acts. Independent of the training code, so it judges the file and not the trainer's memory."""

import numpy as np

ACTIVATIONS = {
    "tanh": np.tanh,
    "relu": lambda x: np.maximum(x, 0),
    "silu": lambda x: x / (1 + np.exp(-x)),
    "identity": lambda x: x,
}

FEATURES = {
    "identity": lambda x: x,
    "elu1": lambda x: np.where(x > 0, x + 1, np.exp(np.minimum(x, 0))),
    "exp": np.exp,
    "relu": lambda x: np.maximum(x, 0),
}


def _learn_intention(keys, values, attributes):
    gram = keys.transpose(0, 2, 1) @ keys
    size = gram.shape[-1]
    alpha = np.float32(attributes["alpha_relative"]) * np.trace(gram, axis1=1, axis2=2) / np.float32(size)
    weights = np.linalg.solve(gram + alpha[:, None, None] * np.eye(size, dtype=keys.dtype),
                              keys.transpose(0, 2, 1) @ values)
    return lambda queries: queries @ weights


def _learn_linear_attention(keys, values, attributes):
    feature = FEATURES[attributes["feature"]]
    scale, epsilon = np.float32(attributes["scale"]), np.float32(1e-10)
    state = feature(keys).transpose(0, 2, 1) @ values
    z = feature(keys).sum(1)[:, :, None]

    def read(queries):
        q = feature(queries)
        out = scale * (q @ state)
        return out / (scale * (q @ z) + epsilon) if attributes["normalize"] else out
    return read


def _learn_softmax_attention(keys, values, _):
    scale = np.float32(keys.shape[-1] ** -0.5)

    def read(queries):
        scores = scale * (queries @ keys.transpose(0, 2, 1))
        weights = np.exp(scores - scores.max(-1, keepdims=True))
        return weights @ values / weights.sum(-1, keepdims=True)
    return read


HEADS = {
    "intention": _learn_intention,
    "linear_attention": _learn_linear_attention,
    "softmax_attention": _learn_softmax_attention,
}


class Student:
    """The nodes of a model: an encoder, one head, a squash."""

    def __init__(self, model, tensors):
        self.encoder = [node for node in model["nodes"] if node["op"] in ("linear", "activation")]
        self.head, = (node for node in model["nodes"] if node["op"] in HEADS)
        self.tensors = tensors
        self.read = None

    def encode(self, x):
        for node in self.encoder:
            if node["op"] == "linear":
                weight, bias = (self.tensors[node["weights"][part]] for part in ("weight", "bias"))
                x = x @ weight.T + bias
            else:
                x = ACTIVATIONS[node["attributes"]["kind"]](x)
        return x

    def learn(self, observations, targets):
        """One demonstration for each system: [systems, pairs, 5] and [systems, pairs, 1]."""
        self.read = HEADS[self.head["op"]](self.encode(observations), targets, self.head["attributes"])

    def answer(self, observations):
        """Actions [systems, queries, 1] for observations [systems, queries, 5]."""
        return np.clip(self.read(self.encode(observations)), -1, 1)

    def act(self, observations):
        """Actions [systems, 1] for observations [systems, 5]."""
        return self.answer(observations[:, None])[:, 0]
