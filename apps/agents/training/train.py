"""Meta-trains a few-shot imitator and writes its model file.

    python3 apps/agents/training/train.py --head intention --out apps/agents/cartpole-fewshot.safetensors

An encoder is trained through a head: on each training system the head learns from 100 pairs of one teacher
demonstration, then has to answer what the teacher does in other states: those that noisy teachers visited
and, round by round, those that the student itself visits (DAgger, Ross et al. 2011). Every head has the same
recipe: data, seeds, iterations, step sizes.
"""

import argparse
import time

import numpy as np
import torch

import evaluate
import heads
import model_file
import tasks
from student import Student

SEED = 1
SYSTEMS = 3072
GROUP = 256            # systems simulated side by side
SLOTS = 4              # recorded episodes kept for each system
KEPT = 250             # states kept of each recorded episode: every second one
ITERATIONS = 640
BATCH_SYSTEMS = 64
BATCH_QUERIES = 128
LEARNING_RATE = 5e-3   # peak of a one-cycle schedule
HUBER_WIDTH = 0.2
ROUND_EVERY = 25       # iterations between rounds in which the student acts
FIRST_ROUND = 200
NOISE_LEVELS = [0, .1, .3, .8]
NOISE_MEMORY = .9      # correlation of the action noise from step to step
VALIDATION_SEEDS = 4

ACTIVATION = "tanh"
LINEAR_ATTENTION = {"feature": "relu", "normalize": False, "scale": heads.KEY_SIZE ** -0.5}

HEADS = {
    "intention": ("cartpole-fewshot", "intention", heads.intention, {"alpha_relative": heads.ALPHA_RELATIVE},
                  "Learns by least squares (Intention): one ridge regression from encoded observations to actions."),
    "linear": ("cartpole-fewshot-linear", "linear_attention", heads.linear_attention(**LINEAR_ATTENTION),
               LINEAR_ATTENTION, "Learns by linear attention: one sum of key-value products."),
    "softmax": ("cartpole-fewshot-softmax", "softmax_attention", heads.softmax_attention,
                {"capacity": tasks.DEMONSTRATION_PAIRS},
                "Learns by softmax attention: keeps the pairs and averages their actions."),
}


class Pool:
    """Training systems, their demonstrations, and recorded states with the teacher's answers."""

    def __init__(self, random):
        self.random = random
        self.groups = [tasks.TaskBatch("cartpole-random", tasks.TRAINING, SEED, first, GROUP)
                       for first in range(0, SYSTEMS, GROUP)]
        shown = [group.demonstrate() for group in self.groups]
        self.shown, self.targets, self.teacher = (np.concatenate(part) for part in zip(*shown))
        self.states = np.zeros((SYSTEMS, SLOTS, KEPT, tasks.OBSERVATION_SIZE), np.float32)
        self.answers = np.zeros((SYSTEMS, SLOTS, KEPT, 1), np.float32)
        self.weights = np.zeros((SYSTEMS, SLOTS, KEPT, 1), np.float32)  # 0 once an episode has ended
        for group in range(len(self.groups)):
            for slot in range(SLOTS):
                self.record(group, slot, episode=1000 + slot, act=None)

    def members(self, group):
        return slice(group * GROUP, (group + 1) * GROUP)

    def record(self, group, slot, episode, act):
        """Plays an episode with act, or with the teacher where act is None, under correlated action noise
        of a level that differs from system to system. Returns the rewards' sums."""
        batch, rows, random = self.groups[group], self.members(group), self.random
        level = random.choice(NOISE_LEVELS, size=(GROUP, 1)) * random.random((GROUP, 1))
        noise = np.zeros((GROUP, 1))
        is_running = np.ones((GROUP, 1), np.float32)
        total = np.zeros(GROUP)
        first = random.integers(2)
        batch.reset(episode)
        for step in range(tasks.STEP_COUNT):
            observed, answer = batch.observe(), batch.teach()
            if step % 2 == first:
                self.states[rows, slot, step // 2] = observed
                self.answers[rows, slot, step // 2] = answer
                self.weights[rows, slot, step // 2] = is_running
            fresh = np.sqrt(1 - NOISE_MEMORY ** 2) * random.standard_normal((GROUP, 1))
            noise = NOISE_MEMORY * noise + fresh
            rewards, is_done = batch.step((answer if act is None else act(observed)) + level * noise)
            total += rewards
            is_running[:, 0] = ~is_done
        return total

    def sample(self):
        """Demonstrations of a batch of systems, and queries, answers and weights for each."""
        system = self.random.integers(SYSTEMS, size=BATCH_SYSTEMS)
        slot = self.random.integers(SLOTS, size=(BATCH_SYSTEMS, BATCH_QUERIES))
        state = self.random.integers(KEPT, size=(BATCH_SYSTEMS, BATCH_QUERIES))
        picked = (system[:, None], slot, state)
        arrays = (self.shown[system], self.targets[system], self.states[picked], self.answers[picked],
                  self.weights[picked])
        return [torch.from_numpy(array) for array in arrays]


def learner(encoder, head, shown, targets):
    """A function from observations to actions, of students that have seen a demonstration each."""
    with torch.no_grad():
        answer = head(encoder(torch.from_numpy(shown)), torch.from_numpy(targets))

    def act(observations):
        with torch.no_grad():
            return answer(encoder(torch.from_numpy(observations)[:, None])).clamp(-1, 1)[:, 0].numpy()
    return act


def batch_loss(encoder, head, pool):
    shown, targets, queries, answers, weights = pool.sample()
    keys = encoder(torch.cat([shown, queries], 1))
    pairs = shown.shape[1]
    predicted = head(keys[:, :pairs], targets)(keys[:, pairs:])
    losses = torch.nn.functional.smooth_l1_loss(predicted, answers, reduction="none", beta=HUBER_WIDTH)
    return (losses * weights).sum() / weights.sum()


def train(head, iterations):
    torch.manual_seed(SEED)
    encoder = heads.encoder(ACTIVATION)
    started = time.time()
    pool = Pool(np.random.default_rng(SEED))
    print(f"{SYSTEMS} systems, teacher's mean return {pool.teacher.mean():.1f}, {time.time() - started:.0f} s",
          flush=True)
    optimiser = torch.optim.Adam(encoder.parameters(), lr=LEARNING_RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, LEARNING_RATE, iterations, pct_start=.1)
    losses, rounds = [], 0
    for iteration in range(iterations):
        if iteration >= FIRST_ROUND and iteration % ROUND_EVERY == 0:
            group = rounds % len(pool.groups)
            rows = pool.members(group)
            act = learner(encoder, head, pool.shown[rows], pool.targets[rows])
            slot = rounds // len(pool.groups) % SLOTS
            returns = pool.record(group, slot, 2000 + rounds, act)
            rounds += 1
            print(f"iteration {iteration}: loss {np.mean(losses):.5f}, student with action noise / teacher "
                  f"{returns.mean() / pool.teacher[rows].mean():.3f}, {time.time() - started:.0f} s", flush=True)
            losses = []
        loss = batch_loss(encoder, head, pool)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(encoder.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        losses.append(loss.item())
    return encoder, time.time() - started


def validate(model, tensors):
    """Means over validation systems: student, teacher, ratio, and episodes above half of 100."""
    rows = [evaluate.evaluate(model, tensors, tasks.VALIDATION, seed)[:2] for seed in range(VALIDATION_SEEDS)]
    student, teacher = np.array(rows).transpose(1, 0, 2)
    return {"student": round(student.mean(), 1), "teacher": round(teacher.mean(), 1),
            "ratio": round(student.mean() / teacher.mean(), 4),
            "episodes_above_half": round(100 * float((student > teacher / 2).mean()), 2)}


def golden(model, tensors):
    """One demonstration, and the actions on its observations after learning from all of it."""
    batch = tasks.TaskBatch(model["task"], tasks.VALIDATION, 0, 0, 1)
    observations, targets, _ = batch.demonstrate()
    student = Student(model, tensors)
    student.learn(observations, targets)
    return {"golden.observation": observations[0], "golden.target": targets[0],
            "golden.action": student.answer(observations)[0].astype(np.float32)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--head", choices=HEADS, required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--iterations", type=int, default=ITERATIONS)
    arguments = parser.parse_args()
    name, op, head, attributes, summary = HEADS[arguments.head]
    encoder, seconds = train(head, arguments.iterations)
    tensors = {f"encoder.{key}": value.detach().numpy() for key, value in encoder.state_dict().items()}
    model = model_file.describe(op, name, ACTIVATION, attributes)
    returns = validate(model, tensors)
    print("validation:", returns)
    model["teacher_return"] = returns["teacher"]
    model["card"] = {
        "summary": "Swings up and balances a cart-pole it has never met, after one demonstration. " + summary,
        "trained": {"how": "meta-training through the head on demonstrations of random systems, with rounds in "
                           "which the student acts and the teacher labels (apps/agents/training/train.py)",
                    "iterations": arguments.iterations, "systems": SYSTEMS, "batch_systems": BATCH_SYSTEMS,
                    "seconds": round(seconds)},
        "returns": returns,
        "demonstration_pairs": tasks.DEMONSTRATION_PAIRS,
        "seeds": {"training": [SEED], "validation": list(range(VALIDATION_SEEDS))},
    }
    model_file.write(arguments.out, model, tensors | golden(model, tensors))


if __name__ == "__main__":
    main()
