"""Few-shot regression of sinusoids (the task distribution of Finn et al. 2017, "Model-Agnostic Meta-Learning"):
y = A sin(x - phase), A in [.1, 5], phase in [0, pi], x in [-5, 5]. Ten points are shown, others are asked.

    python3 apps/agents/training/sinusoids.py tune --out build/sinusoids
    python3 apps/agents/training/sinusoids.py evaluate build/release/bin/gramian build/sinusoids/*.safetensors

`tune` needs torch: one encoder is trained through each head, with each of three step sizes, and of each head the file
stays that is best on validation tasks. `evaluate` runs files on the engine, through `gramian act`, on tasks that
neither training nor tuning drew, and prints a row for each. `train` makes a single file.
"""

import argparse
import json
import os
import subprocess
import time

import numpy as np

import model_file

WIDTH = 64
KEY_SIZE = 32
SHOTS = 10
QUERIES = 20
BATCH = 25
ITERATIONS = 2000
LEARNING_RATES = 3e-3, 1e-2, 3e-2   # peak of a one-cycle schedule
TRAINING, EVALUATION, VALIDATION = 1, 2, 3
HEADS = ("intention", "linear", "linear-relu", "linear-elu1", "softmax")


def draw(random, count, points):
    """x and y, [count, points, 1] each."""
    amplitude = random.uniform(.1, 5, (count, 1, 1))
    phase = random.uniform(0, np.pi, (count, 1, 1))
    x = random.uniform(-5, 5, (count, points, 1))
    return x.astype(np.float32), (amplitude * np.sin(x - phase)).astype(np.float32)


def head_of(name):
    """The operator, its reading in torch, its attributes."""
    import heads
    if name == "intention":
        return "intention", heads.intention, {"alpha_relative": heads.ALPHA_RELATIVE}
    if name == "softmax":
        return "softmax_attention", softmax_attention, {"scale": KEY_SIZE ** -.5, "capacity": SHOTS}
    feature = name.partition("-")[2] or "identity"
    attributes = {"feature": feature, "normalize": feature == "elu1", "scale": KEY_SIZE ** -.5}
    return "linear_attention", heads.linear_attention(**attributes), attributes


def softmax_attention(keys, values):
    import torch
    return lambda queries: torch.softmax(queries @ keys.transpose(-1, -2) * KEY_SIZE ** -.5, -1) @ values


def train(head, iterations, seed, learning_rate, out):
    """Writes the file, and gives the error on validation tasks."""
    import torch
    from torch import nn
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    random = np.random.default_rng([seed, TRAINING])
    operator, read, attributes = head_of(head)
    encoder = nn.Sequential(nn.Linear(1, WIDTH), nn.Tanh(), nn.Linear(WIDTH, WIDTH), nn.Tanh(),
                            nn.Linear(WIDTH, KEY_SIZE))
    optimizer = torch.optim.Adam(encoder.parameters())
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, learning_rate, iterations)

    def error_of(tasks):
        x, y = map(torch.from_numpy, tasks)
        keys = encoder(x)
        return ((read(keys[:, :SHOTS], y[:, :SHOTS])(keys[:, SHOTS:]) - y[:, SHOTS:]) ** 2).mean()

    started = time.process_time()
    for _ in range(iterations):
        loss = error_of(draw(random, BATCH, SHOTS + QUERIES))
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(encoder.parameters(), 1.)
        optimizer.step()
        schedule.step()
    seconds = time.process_time() - started
    with torch.no_grad():
        error = error_of(draw(np.random.default_rng([seed, VALIDATION]), 300, SHOTS + QUERIES)).item()
    print(f"{head}, step size {learning_rate}: validation error {error:.4f} after {iterations} iterations, "
          f"{seconds:.0f} s", flush=True)
    write(out, encoder, operator, attributes,
          {"head": head, "iterations": iterations, "seed": seed, "learning_rate": learning_rate,
           "seconds": round(seconds), "validation_error": error})
    return error


def tune(iterations, seed, folder):
    os.makedirs(folder, exist_ok=True)
    for head in HEADS:
        errors = {}
        for rate in LEARNING_RATES:
            path = os.path.join(folder, f"{head}-{rate}.part")
            errors[path] = train(head, iterations, seed, rate, path)
        best = min(errors, key=errors.get)
        os.replace(best, os.path.join(folder, f"{head}-{iterations}.safetensors"))
        for path in errors:
            if path != best:
                os.remove(path)


def write(out, encoder, operator, attributes, card):
    nodes, tensors = [], {}
    source = "observation"
    for layer in (0, 2, 4):
        for part in ("weight", "bias"):
            tensors[f"encoder.{layer}.{part}"] = getattr(encoder[layer], part).detach().numpy()
        nodes.append({"op": "linear", "in": [source], "out": [f"h{layer}"],
                      "weights": {"weight": f"encoder.{layer}.weight", "bias": f"encoder.{layer}.bias"}})
        source = f"h{layer}"
        if layer < 4:
            nodes.append({"op": "activation", "in": [source], "out": [f"h{layer + 1}"],
                          "attributes": {"kind": "tanh"}})
            source = f"h{layer + 1}"
    nodes.append({"op": operator, "in": {"q": source, "k": source, "v": "target"}, "out": ["answer"],
                  "attributes": attributes})
    model = {"version": 1, "name": "sinusoid", "inputs": [{"name": "observation", "size": 1},
                                                          {"name": "target", "size": 1, "context": True}],
             "outputs": [{"name": "answer", "size": 1}], "nodes": nodes, "card": card}
    model_file.write(out, model, tensors)


def evaluate(program, device, files, tasks):
    """Mean squared error of the queries, on the engine."""
    x, y = draw(np.random.default_rng([0, EVALUATION]), tasks, SHOTS + QUERIES)
    lines = []
    for xs, ys in zip(x[..., 0].tolist(), y[..., 0].tolist()):
        lines.append('{"reset":true}')
        lines += [json.dumps({"observation": [a], "target": [b]}) for a, b in zip(xs[:SHOTS], ys[:SHOTS])]
        lines += [json.dumps([a]) for a in xs[SHOTS:]]
    print(f"| head | step size | iterations | parameters | {SHOTS}-shot error | median | worst task |")
    print("| --- " * 7 + "|")
    for file in files:
        model, tensors = model_file.read(file)
        done = subprocess.run([program, "act", file, "--device", device, "--quiet"], input="\n".join(lines) + "\n",
                              capture_output=True, text=True, check=True)
        answers = [json.loads(line) for line in done.stdout.splitlines()]
        assert len(answers) == len(lines) and not any("error" in a for a in answers if isinstance(a, dict))
        found = np.array([a[0] for a in answers if isinstance(a, list)]).reshape(tasks, QUERIES)
        errors = ((found - y[:, SHOTS:, 0]) ** 2).mean(-1)
        parameters = sum(tensor.size for tensor in tensors.values())
        card = model["card"]
        print(f"| {card['head']} | {card['learning_rate']} | {card['iterations']} | {parameters} | "
              f"{errors.mean():.4f} | {np.median(errors):.4f} | {errors.max():.4f} |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("train", "tune"):
        one = commands.add_parser(name)
        one.add_argument("--iterations", type=int, default=ITERATIONS)
        one.add_argument("--seed", type=int, default=1)
        one.add_argument("--out", required=True, help="a folder, of tune")
        if name == "train":
            one.add_argument("--head", choices=HEADS, required=True)
            one.add_argument("--learning-rate", type=float, default=LEARNING_RATES[0])
    two = commands.add_parser("evaluate")
    two.add_argument("program", help="build/release/bin/gramian")
    two.add_argument("files", nargs="+")
    two.add_argument("--device", default="auto")
    two.add_argument("--tasks", type=int, default=300)
    args = parser.parse_args()
    if args.command == "train":
        train(args.head, args.iterations, args.seed, args.learning_rate, args.out)
    elif args.command == "tune":
        tune(args.iterations, args.seed, args.out)
    else:
        evaluate(args.program, args.device, args.files, args.tasks)


if __name__ == "__main__":
    main()
