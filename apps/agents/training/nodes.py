"""Node lists of a model file as networks: initialised, trained over whole sequences with torch, and played token by
token in numpy. Both read the same list, the one that is written to the file and that the engine runs; the player
shares no code with the trainer, so it judges the file. Covers what sequence agents use."""

import numpy as np
import torch

CHUNK = 50  # tokens that linear attention treats as one product

SEQUENCE_ACTIVATIONS = {"tanh": torch.tanh, "silu": torch.nn.functional.silu, "sigmoid": torch.sigmoid,
                        "identity": lambda x: x}


def _sigmoid(x):
    return 1 / (1 + np.exp(-x))


STEP_ACTIVATIONS = {"tanh": np.tanh, "silu": lambda x: x * _sigmoid(x), "sigmoid": _sigmoid, "identity": lambda x: x}


class Builder:
    """Appends nodes and their initial weights; every method returns the name of what the node puts out."""

    def __init__(self, seed):
        self.nodes, self.tensors = [], {}
        self.random = np.random.default_rng(seed)

    def node(self, op, inputs, out, attributes=None, weights=None):
        names = {}
        for part, value in (weights or {}).items():
            names[part] = f"{out}.{part}"
            self.tensors[names[part]] = np.asarray(value, np.float32)
        entry = {"op": op, "in": inputs, "out": [out], "attributes": attributes or {}}
        if names:
            entry["weights"] = names
        self.nodes.append(entry)
        return out

    def linear(self, source, out, inputs, outputs, bias=None, gain=1.0):
        weights = {"weight": self.random.standard_normal((outputs, inputs)) * gain / inputs ** .5}
        if bias is not None:
            weights["bias"] = np.broadcast_to(bias, (outputs,))
        return self.node("linear", [source], out, weights=weights)

    def activation(self, source, out, kind):
        return self.node("activation", [source], out, {"kind": kind})

    def rms_norm(self, source, out, size):
        return self.node("rms_norm", [source], out, weights={"weight": np.ones(size)})

    def squash(self, source, out, low, high):
        return self.node("squash", [source], out, {"kind": "tanh", "low": low, "high": high})


def parameter_count(tensors):
    return sum(tensor.size for tensor in tensors.values())


# Over whole sequences, differentiable -------------------------------------------------------------------------------

def _gated_linear_attention(q, k, v, decay, heads, scale):
    """o_t = scale S_t^T q_t, S_t = e^g_t S_{t-1} + k_t v_t^T, chunk by chunk (Yang et al. 2024, "Gated linear attention
    transformers"). Within a chunk e^(b_t - b_s), b the running sum of g, is split into two factors, which fp32 holds
    as long as g >= -1."""
    batch, given = q.shape[:2]
    chunk = min(CHUNK, given)
    tokens = -(-given // chunk) * chunk  # a tail of zeros writes nothing
    q, k, v, decay = (torch.nn.functional.pad(x, (0, 0, 0, tokens - given)) for x in (q, k, v, decay))

    def cut(x):
        return x.reshape(batch, tokens // chunk, chunk, heads, -1).permute(0, 3, 1, 2, 4)
    q, k, v, sums = cut(q), cut(k), cut(v), cut(decay).cumsum(3)
    last = sums[:, :, :, -1:]
    q_scaled, k_scaled = q * sums.exp(), k * (-sums).exp()
    inside = (q_scaled @ k_scaled.transpose(-1, -2)).tril() @ v
    writes = (k * (last - sums).exp()).transpose(-1, -2) @ v
    fades = last.exp().transpose(-1, -2)
    state, states = torch.zeros_like(writes[:, :, 0]), []
    for i in range(tokens // chunk):
        states.append(state)
        state = fades[:, :, i] * state + writes[:, :, i]
    out = scale * (inside + q_scaled @ torch.stack(states, 2))
    return out.permute(0, 2, 3, 1, 4).reshape(batch, tokens, -1)[:, :given]


def _short_conv(x, weight, bias, kind):
    """y_t = f(sum_j weight[:, j] x_(t - K + 1 + j) + bias), zeros before the first token."""
    taps = weight.shape[1]
    padded = torch.nn.functional.pad(x, (0, 0, taps - 1, 0))
    y = sum(weight[:, j] * padded[:, j:j + x.shape[1]] for j in range(taps))
    return SEQUENCE_ACTIVATIONS[kind](y if bias is None else y + bias)


def run_sequence(nodes, tensors, observations):
    """The last node's output [batch, tokens, size] for torch tensors and observations [batch, tokens, size]."""
    values = {"observation": observations}
    for node in nodes:
        a = node["attributes"]
        w = {part: tensors[name] for part, name in node.get("weights", {}).items()}
        wires = node["in"]
        x = [values[name] for name in (wires.values() if isinstance(wires, dict) else wires)]
        op = node["op"]
        if op == "linear":
            y = torch.nn.functional.linear(x[0], w["weight"], w.get("bias"))
        elif op == "activation":
            y = SEQUENCE_ACTIVATIONS[a["kind"]](x[0])
        elif op == "rms_norm":
            y = x[0] * torch.rsqrt((x[0] * x[0]).mean(-1, keepdim=True) + 1e-6) * w["weight"]
        elif op == "squash":
            y = a["low"][0] + (torch.tanh(x[0]) + 1) * (.5 * (a["high"][0] - a["low"][0]))
        elif op == "add":
            y = x[0] + x[1]
        elif op == "concat":
            y = torch.cat(x, -1)
        elif op == "gate_output":
            y = x[0] * SEQUENCE_ACTIVATIONS[a["kind"]](x[1])
        elif op == "short_conv":
            y = _short_conv(x[0], w["weight"], w.get("bias"), a.get("kind", "identity"))
        elif op == "linear_attention":
            q, k, v, decay = (values[wires[part]] for part in ("q", "k", "v", "decay"))
            if a.get("feature") == "relu":
                q, k = torch.relu(q), torch.relu(k)
            y = _gated_linear_attention(q, k, v, decay, a["heads"], a["scale"])
        else:
            raise ValueError(f"no node '{op}'")
        values[node["out"][0]] = y
    return y


# Token by token ------------------------------------------------------------------------------------------------------

class Player:
    """Streams of a model side by side, float32."""

    def __init__(self, model, tensors, streams):
        self.nodes, self.tensors, self.streams = model["nodes"], tensors, streams
        self.states = {}

    def act(self, observations):
        """The model's output [streams, size] for one more observation of each stream, [streams, size]."""
        values = {"observation": observations}
        for index, node in enumerate(self.nodes):
            wires = node["in"]
            x = {part: values[name] for part, name in wires.items()} if isinstance(wires, dict) else \
                [values[name] for name in wires]
            w = {part: self.tensors[name] for part, name in node.get("weights", {}).items()}
            values[node["out"][0]] = getattr(self, "_" + node["op"])(index, x, w, node["attributes"])
        return values[self.nodes[-1]["out"][0]]

    def _linear(self, _, x, w, __):
        y = x[0] @ w["weight"].T
        return y + w["bias"] if "bias" in w else y

    def _activation(self, _, x, __, a):
        return STEP_ACTIVATIONS[a["kind"]](x[0])

    def _rms_norm(self, _, x, w, __):
        return x[0] / np.sqrt((x[0] * x[0]).mean(-1, keepdims=True) + np.float32(1e-6)) * w["weight"]

    def _squash(self, _, x, __, a):
        low, high = np.float32(a["low"]), np.float32(a["high"])
        return low + (np.tanh(x[0]) + 1) * np.float32(.5) * (high - low)

    def _add(self, _, x, __, ___):
        return x[0] + x[1]

    def _concat(self, _, x, __, ___):
        return np.concatenate(x, -1)

    def _gate_output(self, _, x, __, a):
        return x[0] * STEP_ACTIVATIONS[a["kind"]](x[1])

    def _short_conv(self, index, x, w, a):
        channels, taps = w["weight"].shape
        kept = self.states.get(index, np.zeros((self.streams, taps - 1, channels), np.float32))
        seen = np.concatenate([kept, x[0][:, None]], 1)
        self.states[index] = seen[:, 1:]
        y = (seen * w["weight"].T).sum(1) + w.get("bias", np.float32(0))
        return STEP_ACTIVATIONS[a.get("kind", "identity")](y)

    def _linear_attention(self, index, x, _, a):
        q, k, v, decay = (x[part].reshape(self.streams, a["heads"], -1) for part in ("q", "k", "v", "decay"))
        if a.get("feature") == "relu":
            q, k = np.maximum(q, 0), np.maximum(k, 0)
        state = self.states.get(index, np.zeros(k.shape + v.shape[-1:], np.float32))
        state = np.exp(decay)[..., None] * state + k[..., None] * v[..., None, :]
        self.states[index] = state
        return np.float32(a["scale"]) * (q[..., None, :] @ state).reshape(self.streams, -1)
