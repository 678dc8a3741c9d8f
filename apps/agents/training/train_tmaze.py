"""Trains the agent of the T-maze on corridors of up to 128 cells and writes its model file.

    python3 apps/agents/training/train_tmaze.py --out apps/agents/tmaze.safetensors

One layer of gated linear attention, trained by imitation of whole walks of the teacher. Keys and queries are rectified,
so that the layer can write nothing at all where nothing matters; what it must learn is to write the cue, to keep it
through the noise of the corridor, and to read it at the junction.
"""

import argparse
import time

import numpy as np
import torch

import model_file
import nodes
import tasks

SEED = 1
TRAINED_LENGTH = 128
VALIDATION_LENGTHS = [1, 8, 128, 512]
WALKS = 8              # for each length up to TRAINED_LENGTH
BATCH = 64
ITERATIONS = 1500
LEARNING_RATE = 1e-2   # peak of a one-cycle schedule
CHANNELS, HEADS = 16, 2


def describe():
    build = nodes.Builder(SEED)
    x = build.activation(build.linear("observation", "embedding", 3, CHANNELS, bias=0, gain=1.4), "place", "tanh")
    q, k, v = (build.linear(x, part, CHANNELS, CHANNELS, bias=0) for part in "qkv")
    # The log decay, in (-1, 0): at first the state loses 2 to 27 % a token.
    raw = build.linear(x, "forget", CHANNELS, CHANNELS, gain=.3,
                       bias=np.tile(np.linspace(.5, 2, CHANNELS // HEADS), HEADS))
    decay = build.squash(raw, "decay", [-1] * CHANNELS, [0] * CHANNELS)
    a = build.node("linear_attention", {"q": q, "k": k, "v": v, "decay": decay}, "attention",
                   {"heads": HEADS, "scale": 1.0, "feature": "relu"})
    a = build.rms_norm(a, "read", CHANNELS)
    x = build.node("concat", [a, x], "known")
    x = build.activation(build.linear(x, "hidden", 2 * CHANNELS, CHANNELS, bias=0, gain=1.4), "active", "tanh")
    build.squash(build.linear(x, "raw", CHANNELS, 1, bias=0), "action", [-1], [1])
    model = {"version": 1, "name": "tmaze", "task": f"tmaze:{TRAINED_LENGTH}",
             "inputs": [{"name": "observation", "size": 3}],
             "outputs": [{"name": "action", "size": 1, "low": [-1], "high": [1]}],
             "period_s": .1, "teacher_return": 1.0, "nodes": build.nodes,
             "card": {"summary": "Remembers a cue through a corridor of noise, by one layer of gated linear attention: "
                                 "--task tmaze:L for L cells."}}
    return model, build.tensors


def walks():
    """Of the teacher: observations [walks, steps, 3], answers [walks, steps, 1], and weights: of each walk half on the
    turn at the junction, half on the steps before."""
    steps = TRAINED_LENGTH + 1
    rows = []
    for length in range(1, TRAINED_LENGTH + 1):
        batch = tasks.TaskBatch(f"tmaze:{length}", tasks.TRAINING, SEED, 0, WALKS)
        batch.reset(tasks.EVALUATION_EPISODE)
        observed, answers, weights = (np.zeros((WALKS, steps, size), np.float32) for size in (3, 1, 1))
        for step in range(length + 1):
            observed[:, step], answers[:, step] = batch.observe(), batch.teach()
            weights[:, step] = .5 if step == length else .5 / length
            batch.step(answers[:, step])
        rows.append((observed, answers, weights))
    return [np.concatenate(part) for part in zip(*rows)]


def train(model, tensors, iterations):
    torch.manual_seed(SEED)
    random = np.random.default_rng(SEED)
    started = time.time()
    data = walks()
    weights = {name: torch.tensor(value, requires_grad=True) for name, value in tensors.items()}
    trained = list(weights.values())
    optimiser = torch.optim.Adam(trained, lr=LEARNING_RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, LEARNING_RATE, iterations, pct_start=.1)
    losses = []
    for iteration in range(iterations):
        rows = random.choice(len(data[0]), BATCH, replace=False)
        observed, answers, weight = (torch.from_numpy(part[rows]) for part in data)
        error = nodes.run_sequence(model["nodes"], weights, observed) - answers
        loss = (error * error * weight).sum() / BATCH
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimiser.step()
        schedule.step()
        losses.append(loss.item())
        if iteration % 100 == 99:
            print(f"iteration {iteration + 1}: loss {np.mean(losses):.6f}, {time.time() - started:.0f} s", flush=True)
            losses = []
    return {name: weight.detach().numpy() for name, weight in weights.items()}, time.time() - started


def success(model, tensors, length, purpose, seed, episodes=100):
    batch = tasks.TaskBatch(f"tmaze:{length}", purpose, seed, 0, episodes)
    return tasks.play(batch, nodes.Player(model, tensors, episodes).act).mean()


def golden(model, tensors):
    """A walk of 128 cells on a validation episode."""
    batch = tasks.TaskBatch(model["task"], tasks.VALIDATION, 0, 0, 1)
    player = nodes.Player(model, tensors, 1)
    batch.reset(tasks.EVALUATION_EPISODE)
    observations, actions = [], []
    for _ in range(TRAINED_LENGTH + 1):
        observations.append(batch.observe())
        actions.append(player.act(observations[-1]))
        batch.step(batch.teach())
    return {"golden.observation": np.concatenate(observations), "golden.action": np.concatenate(actions)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", required=True)
    parser.add_argument("--iterations", type=int, default=ITERATIONS)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    model, tensors = describe()
    print(f"{model['name']}: {nodes.parameter_count(tensors)} weights", flush=True)
    tensors, seconds = train(model, tensors, arguments.iterations)
    returns = {str(length): round(float(success(model, tensors, length, tasks.VALIDATION, 0)), 4)
               for length in VALIDATION_LENGTHS}
    print("validation, success by length:", returns)
    model["card"] |= {
        "trained": {"how": "imitation of the teacher's walks through 1 to 128 cells "
                           "(apps/agents/training/train_tmaze.py)",
                    "iterations": arguments.iterations, "batch_walks": BATCH, "seconds": round(seconds)},
        "returns": {"success_by_length": returns},
        "seeds": {"training": [SEED], "validation": [0]},
    }
    model_file.write(arguments.out, model, tensors | golden(model, tensors))


if __name__ == "__main__":
    main()
