"""Rounds the matrices of a model file to fp16, those that the engine keeps and reads as halves: of linear layers, GRUs,
LSTMs and embeddings. Needs numpy alone.

    python3 apps/agents/training/halve.py apps/agents/cartpole-memory.safetensors build/memory-half.safetensors

The golden rollout was recorded with the unrounded weights and is left out, as are the sums that a distilled model was
solved from. Numbers beyond fp16 are an error."""

import argparse

import numpy as np

import model_file

MATRICES = {"linear": ["weight"], "embedding": ["weight"], "gru": ["weight_ih", "weight_hh"],
            "lstm": ["weight_ih", "weight_hh"]}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("out")
    arguments = parser.parse_args()
    model, tensors = model_file.read(arguments.model)
    names = {node["weights"][part] for node in model["nodes"] for part in MATRICES.get(node["op"], [])}
    halved = {}
    for name, tensor in tensors.items():
        if name.startswith(("golden.", "statistics.")):
            continue
        halved[name] = tensor.astype(np.float16) if name in names else tensor
        if not np.isfinite(halved[name]).all():
            parser.error(f"{name} has numbers that no half holds")
    # Larger elements first: every tensor then begins at a multiple of its own.
    model_file.write(arguments.out, model, dict(sorted(halved.items(), key=lambda item: -item[1].itemsize)))
    print(f"{sum(halved[name].size for name in names)} of {sum(t.size for t in halved.values())} weights are halves")


if __name__ == "__main__":
    main()
