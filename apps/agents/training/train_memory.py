"""Trains the agents of `cartpole-blank` by imitation and writes their model files.

    python3 apps/agents/training/train_memory.py --student memory --out apps/agents/cartpole-memory.safetensors

The agent sees positions only, and nothing at all in 30 % of the steps; its teacher sees the whole state. Behaviour
cloning on episodes of noisy teachers, then rounds in which the student acts and the teacher labels (DAgger, Ross et al.
2011). Every student has the same data, seeds, iterations, step sizes and about the same number of weights; they differ in
what they remember: `memory` has two layers of gated linear attention, `stack` the last 16 observations,
`memoryless` the present one.
"""

import argparse
import time

import numpy as np
import torch

import model_file
import nodes
import tasks

TASK = "cartpole-blank"
SEED = 1
EPISODES = 512         # recorded episodes that the batches are drawn from
GROUP = 64             # episodes recorded side by side
BATCH = 8              # whole episodes an iteration
ITERATIONS = 2500
LEARNING_RATE = 2e-3   # peak of a one-cycle schedule
HUBER_WIDTH = 0.1
FIRST_ROUND = 300      # iterations of plain behaviour cloning
ROUND_EVERY = 20       # iterations between rounds in which the student acts
NOISE_LEVELS = [0, 0, .1, .4]
NOISE_MEMORY = .9      # correlation of the action noise from step to step
VALIDATION_SEEDS = 4
VALIDATION_EPISODES = 100

CHANNELS, HEADS, TAPS, FRAMES = 64, 4, 4, 16


def memory(build):
    """Two blocks: short convolution and gated linear attention, then a small perceptron; each beside a skip."""
    x = build.linear("observation", "embedding", 4, CHANNELS, bias=0)
    for block in "12":
        h = build.rms_norm(x, f"norm{block}", CHANNELS)
        c = build.node("short_conv", [h], f"conv{block}", {"kind": "silu"},
                       {"weight": build.random.standard_normal((CHANNELS, TAPS)) / TAPS ** .5,
                        "bias": np.zeros(CHANNELS)})
        q, k, v = (build.linear(c, f"{part}{block}", CHANNELS, CHANNELS) for part in "qkv")
        # The log decay, in (-1, 0): at first each head remembers from 3 to 400 tokens.
        raw = build.linear(c, f"forget{block}", CHANNELS, CHANNELS, gain=.3,
                           bias=np.tile(np.linspace(.5, 3, CHANNELS // HEADS), HEADS))
        decay = build.squash(raw, f"decay{block}", [-1] * CHANNELS, [0] * CHANNELS)
        a = build.node("linear_attention", {"q": q, "k": k, "v": v, "decay": decay}, f"attention{block}",
                       {"heads": HEADS, "scale": (CHANNELS // HEADS) ** -.5})
        a = build.rms_norm(a, f"read{block}", CHANNELS)
        gate = build.linear(h, f"gate{block}", CHANNELS, CHANNELS)
        a = build.node("gate_output", [a, gate], f"gated{block}", {"kind": "silu"})
        a = build.linear(a, f"mixed{block}", CHANNELS, CHANNELS, gain=.5)
        x = build.node("add", [x, a], f"x{block}")
        h = build.rms_norm(x, f"norm{block}b", CHANNELS)
        h = build.activation(build.linear(h, f"hidden{block}", CHANNELS, CHANNELS, bias=0), f"active{block}", "silu")
        h = build.linear(h, f"out{block}", CHANNELS, CHANNELS, bias=0, gain=.5)
        x = build.node("add", [x, h], f"x{block}b")
    return build.rms_norm(x, "norm", CHANNELS), CHANNELS


def perceptron(build, source, inputs, hidden):
    x = build.activation(build.linear(source, "hidden1", inputs, hidden, bias=0, gain=1.4), "active1", "silu")
    return build.activation(build.linear(x, "hidden2", hidden, hidden, bias=0, gain=1.4), "active2", "silu"), hidden


def memoryless(build):
    return perceptron(build, "observation", 4, 256)


def stack(build):
    """Copy f of the observation is delayed by f tokens: a convolution whose weights are 0 and 1 and stay so."""
    copies = build.node("concat", ["observation"] * FRAMES, "copies")
    delays = np.kron(np.eye(FRAMES)[::-1], np.ones((4, 1)))
    frames = build.node("short_conv", [copies], "frames", {"kind": "identity"}, {"weight": delays})
    return perceptron(build, frames, 4 * FRAMES, 228)


STUDENTS = {
    "memory": ("cartpole-memory", memory, "Remembers by two layers of gated linear attention with short convolution."),
    "memoryless": ("cartpole-memoryless", memoryless, "For comparison: acts on the present observation alone."),
    "stack": ("cartpole-stack", stack, f"For comparison: acts on the last {FRAMES} observations."),
}
FROZEN = {"frames.weight"}


def describe(student):
    """The model without weights trained, and the initial tensors."""
    name, make, summary = STUDENTS[student]
    build = nodes.Builder(SEED)
    x, size = make(build)
    build.squash(build.linear(x, "raw", size, 1, bias=0), "action", [-1], [1])
    model = {"version": 1, "name": name, "task": TASK,
             "inputs": [{"name": "observation", "size": 4}],
             "outputs": [{"name": "action", "size": 1, "low": [-1], "high": [1]}],
             "period_s": tasks.PERIOD_S, "nodes": build.nodes,
             "card": {"summary": "Swings up and balances a cart-pole that it sees without velocities, and in 30 % of "
                                 "the steps not at all. " + summary}}
    return model, build.tensors


class Pool:
    """Recorded episodes with the teacher's answers."""

    def __init__(self, random):
        self.random = random
        self.groups = [tasks.TaskBatch(TASK, tasks.TRAINING, SEED, first, GROUP)
                       for first in range(0, EPISODES, GROUP)]
        steps = self.groups[0].step_count
        self.observations = np.zeros((EPISODES, steps, 4), np.float32)
        self.answers = np.zeros((EPISODES, steps, 1), np.float32)
        self.weights = np.zeros((EPISODES, steps, 1), np.float32)  # 0 once an episode has ended
        for group in range(len(self.groups)):
            self.record(group, group, act=None)

    def record(self, group, episode, act):
        """Plays an episode with act, or with the teacher where act is None. In half of the streams the teacher has a
        share in the action; correlated noise of some level comes on top. Both differ from stream to stream. Returns
        the mean return of the streams without either."""
        batch, rows, random = self.groups[group], slice(group * GROUP, (group + 1) * GROUP), self.random
        level = random.choice(NOISE_LEVELS, size=(GROUP, 1)) * random.random((GROUP, 1))
        share = np.maximum(random.uniform(-1, 1, (GROUP, 1)), 0)
        noise, is_running, total = np.zeros((GROUP, 1)), np.ones((GROUP, 1), np.float32), np.zeros(GROUP)
        batch.reset(episode)
        for step in range(batch.step_count):
            observed, answer = batch.observe(), batch.teach()
            self.observations[rows, step], self.answers[rows, step] = observed, answer
            self.weights[rows, step] = is_running
            fresh = np.sqrt(1 - NOISE_MEMORY ** 2) * random.standard_normal((GROUP, 1))
            noise = NOISE_MEMORY * noise + fresh
            action = answer if act is None else share * answer + (1 - share) * act(observed)
            rewards, is_done = batch.step(action + level * noise)
            total += rewards
            is_running[:, 0] = ~is_done
        return total[(level + share)[:, 0] == 0].mean()

    def sample(self):
        rows = self.random.choice(EPISODES, BATCH, replace=False)
        return [torch.from_numpy(part[rows]) for part in (self.observations, self.answers, self.weights)]


def train(model, tensors, iterations):
    torch.manual_seed(SEED)
    started = time.time()
    pool = Pool(np.random.default_rng(SEED))
    weights = {name: torch.tensor(value, requires_grad=name not in FROZEN) for name, value in tensors.items()}
    trained = [weight for weight in weights.values() if weight.requires_grad]
    optimiser = torch.optim.Adam(trained, lr=LEARNING_RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, LEARNING_RATE, iterations, pct_start=.1)
    losses, rounds = [], 0
    for iteration in range(iterations):
        if iteration >= FIRST_ROUND and iteration % ROUND_EVERY == 0:
            current = {name: weight.detach().numpy() for name, weight in weights.items()}
            returned = pool.record(rounds % len(pool.groups), 1000 + rounds, nodes.Player(model, current, GROUP).act)
            rounds += 1
            if rounds % 5 == 1:
                print(f"iteration {iteration}: loss {np.mean(losses):.5f}, the student returns {returned:.1f}, "
                      f"{time.time() - started:.0f} s", flush=True)
                losses = []
        observed, answers, weight = pool.sample()
        predicted = nodes.run_sequence(model["nodes"], weights, observed)
        loss = torch.nn.functional.smooth_l1_loss(predicted, answers, reduction="none", beta=HUBER_WIDTH)
        loss = (loss * weight).sum() / weight.sum()
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimiser.step()
        schedule.step()
        losses.append(loss.item())
    return {name: weight.detach().numpy() for name, weight in weights.items()}, time.time() - started


def returns_on(model, tensors, task, purpose, seed):
    """Returns of the student and of the teacher, each [episodes]."""
    batch = tasks.TaskBatch(task, purpose, seed, 0, VALIDATION_EPISODES)
    teacher = batch.teacher_returns(tasks.EVALUATION_EPISODE)
    return tasks.play(batch, nodes.Player(model, tensors, batch.count).act), teacher


def validate(model, tensors, task):
    """Means over validation episodes, and the episodes above half of their teacher's, of 100."""
    rows = [returns_on(model, tensors, task, tasks.VALIDATION, seed) for seed in range(VALIDATION_SEEDS)]
    student, teacher = np.array(rows).transpose(1, 0, 2)
    return {"student": round(student.mean(), 1), "teacher": round(teacher.mean(), 1),
            "ratio": round(student.mean() / teacher.mean(), 4),
            "episodes_above_half": round(100 * float((student > teacher / 2).mean()), 2)}


def golden(model, tensors, tokens=200):
    """The start of a validation episode that the student plays."""
    batch = tasks.TaskBatch(TASK, tasks.VALIDATION, VALIDATION_SEEDS, 0, 1)
    player = nodes.Player(model, tensors, 1)
    batch.reset(tasks.EVALUATION_EPISODE)
    observations, actions = [], []
    for _ in range(tokens):
        observations.append(batch.observe())
        actions.append(player.act(observations[-1]))
        batch.step(actions[-1])
    return {"golden.observation": np.concatenate(observations), "golden.action": np.concatenate(actions)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--student", choices=STUDENTS, required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--iterations", type=int, default=ITERATIONS)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    model, tensors = describe(arguments.student)
    print(f"{model['name']}: {nodes.parameter_count(tensors)} weights", flush=True)
    tensors, seconds = train(model, tensors, arguments.iterations)
    returns = validate(model, tensors, TASK)
    hidden = validate(model, tensors, "cartpole-hidden")
    print("validation:", returns, "cartpole-hidden:", hidden)
    model["teacher_return"] = returns["teacher"]
    model["card"] |= {
        "trained": {"how": "behaviour cloning, then rounds in which the student acts and the teacher labels "
                           "(apps/agents/training/train_memory.py)",
                    "iterations": arguments.iterations, "batch_episodes": BATCH, "seconds": round(seconds)},
        "returns": returns, "returns_cartpole_hidden": hidden,
        "seeds": {"training": [SEED], "validation": list(range(VALIDATION_SEEDS))},
    }
    model_file.write(arguments.out, model, tensors | golden(model, tensors))


if __name__ == "__main__":
    main()
