"""Exports a model of log-space attention (Heinsen 2024, arXiv:2404.05843) to a model file.

    python log_attention.py STATE.safetensors --heads 24 --out MODEL.safetensors [--name NAME]

STATE holds the parameters under the names of the author's modules, F32, as safetensors.torch.save_file(state_dict)
writes them:

    embed_pos.dense.{weight,bias}      optional: the position embedding, whose rows are a | b
    [layers.N.]feedforward1.0.*        layer norm
    [layers.N.]feedforward1.1.*        projection; its rows are, head after head, q | k | log_v
    [layers.N.]feedforward2.0.*        the first linear layer, whose halves make the GLU
    [layers.N.]feedforward2.2.weight   the second one, without bias
    lnorm.*                            optional: the last layer norm
    embed.weight                       optional: tokens come in as numbers, and logits over them go out

Without embed.weight the model maps a vector a token (input x) to a vector a token (output y)."""

import argparse

import numpy as np

import model_file


class Writer:
    """Collects nodes and weights; every method returns the name of the value it makes."""

    def __init__(self, state):
        self.state = state
        self.nodes = []
        self.tensors = {}

    def node(self, op, inputs, out, weights=None, **attributes):
        for name in (weights or {}).values():
            if name not in self.tensors:
                self.tensors[name] = self.take(name)
        self.nodes.append({"op": op, "in": inputs, "out": [out], "weights": weights or {}, "attributes": attributes})
        return out

    def take(self, name):
        if name not in self.state:
            raise SystemExit(f"expected a tensor '{name}'; there are: {', '.join(sorted(self.state))}")
        return self.state[name]

    def layer(self, op, source, out, prefix, **attributes):
        weights = {"weight": f"{prefix}.weight"}
        if f"{prefix}.bias" in self.state:
            weights["bias"] = f"{prefix}.bias"
        return self.node(op, [source], out, weights, **attributes)

    def halves(self, source, size):
        return [self.node("slice", [source], f"{source}.{i}", offset=i * size, size=size) for i in (0, 1)]


def project(writer, source, prefix, heads, key_width, value_width):
    """q, k and log_v: three linear layers, whose rows the author keeps interleaved by head."""
    weight, bias = (writer.take(f"{prefix}.{kind}") for kind in ("weight", "bias"))
    width = 2 * key_width + value_width
    if weight.shape[0] != heads * width:
        raise SystemExit(f"{prefix}.weight: {weight.shape[0]} rows, expected {heads} heads of 2 x {key_width} + "
                         f"{value_width}")
    ranges = {"q": (0, key_width), "k": (key_width, 2 * key_width), "log_v": (2 * key_width, width)}
    for part, (first, last) in ranges.items():
        rows = np.concatenate([np.arange(head * width + first, head * width + last) for head in range(heads)])
        writer.state[f"{prefix}.{part}.weight"] = weight[rows]
        writer.state[f"{prefix}.{part}.bias"] = bias[rows]
    return [writer.layer("linear", source, f"{prefix}.{part}", f"{prefix}.{part}") for part in ranges]


def add_block(writer, x, prefix, heads):
    """x + W2 GLU(W1 log-attention(q, k, log_v of the layer norm of x))."""
    size = writer.take(f"{prefix}feedforward1.0.weight").shape[0]
    values = writer.take(f"{prefix}feedforward2.0.weight").shape[1]
    rows = writer.take(f"{prefix}feedforward1.1.weight").shape[0]
    if values % heads or (rows - values) % (2 * heads):
        raise SystemExit(f"{prefix}: {values} value channels and {rows} rows of the projection do not fit {heads} heads")
    normed = writer.layer("layer_norm", x, f"{prefix}normed", f"{prefix}feedforward1.0", epsilon=1e-5)
    parts = project(writer, normed, f"{prefix}feedforward1.1", heads, (rows - values) // (2 * heads), values // heads)
    attended = writer.node("log_attention", parts, f"{prefix}attended", heads=heads, causal=True)
    up = writer.layer("linear", attended, f"{prefix}up", f"{prefix}feedforward2.0")
    gated = writer.node("gate_output", writer.halves(up, size), f"{prefix}gated", kind="sigmoid")
    down = writer.layer("linear", gated, f"{prefix}down", f"{prefix}feedforward2.2")
    return writer.node("add", [x, down], f"{prefix}out")


def add_position(writer, x):
    """x + s, s_t = log(e^(log sigmoid(a_t) + s_{t-1}) + e^b_t)."""
    both = writer.layer("linear", x, "position.ab", "embed_pos.dense")
    s = writer.node("log_recurrence", writer.halves(both, writer.take("embed_pos.dense.weight").shape[1]), "position")
    return writer.node("add", [x, s], "positioned")


def export(state, heads, name):
    """The model's description and its tensors."""
    writer = Writer(dict(state))
    numbers = sorted({int(key.split(".")[1]) for key in state if key.startswith("layers.")})
    prefixes = [f"layers.{n}." for n in numbers] or [""]
    size = writer.take(f"{prefixes[0]}feedforward1.0.weight").shape[0]
    is_language_model = "embed.weight" in state
    x = "x"
    if is_language_model:
        x = writer.node("embedding", ["token"], "embedded", {"weight": "embed.weight"})
    if "embed_pos.dense.weight" in state:
        x = add_position(writer, x)
    for prefix in prefixes:
        x = add_block(writer, x, prefix, heads)
    if "lnorm.weight" in state:
        x = writer.layer("layer_norm", x, "lnorm", "lnorm", epsilon=1e-5)
    if is_language_model:
        x = writer.node("linear", [x], "logits", {"weight": "embed.weight"})
    output = "logits" if is_language_model else "y"
    writer.nodes[-1]["out"] = [output]
    description = {
        "version": 1, "name": name, "nodes": writer.nodes,
        "inputs": [{"name": "token", "size": 1} if is_language_model else {"name": "x", "size": size}],
        "outputs": [{"name": output, "size": state["embed.weight"].shape[0] if is_language_model else size}],
    }
    return description, writer.tensors


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("state", help="the author's parameters, .safetensors")
    parser.add_argument("--heads", type=int, required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--name", default="log-attention")
    arguments = parser.parse_args()
    _, state = model_file.read(arguments.state)
    description, tensors = export(state, arguments.heads, arguments.name)
    model_file.write(arguments.out, description, tensors)
    print(f"{arguments.out}: {len(description['nodes'])} nodes, {sum(t.size for t in tensors.values())} parameters")


if __name__ == "__main__":
    main()
