"""Judges a model file on systems that training never saw: for each seed, on each of 100 systems, the student
learns from the teacher's demonstration and then acts in another episode, beside the teacher.

    python3 apps/agents/training/evaluate.py apps/agents/cartpole-fewshot.safetensors
"""

import argparse

import numpy as np

import model_file
import tasks
from student import Student

SYSTEMS = 100


def evaluate(model, tensors, purpose, seed, systems=SYSTEMS):
    """Returns of the student, of the teacher and of random actions, each [systems]."""
    batch = tasks.TaskBatch(model["task"], purpose, seed, 0, systems)
    observations, targets, _ = batch.demonstrate()
    teacher = batch.teacher_returns(tasks.EVALUATION_EPISODE)
    student = Student(model, tensors)
    student.learn(observations, targets)
    returns = tasks.play(batch, student.act)
    return returns, teacher, batch.random_returns(tasks.EVALUATION_EPISODE, seed)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--seeds", type=int, default=20)
    arguments = parser.parse_args()
    model, tensors = model_file.read(arguments.model)
    print(f"{model['name']}: {arguments.seeds} seeds x {SYSTEMS} evaluation systems, float32")
    rows = []
    for seed in range(arguments.seeds):
        student, teacher, random = evaluate(model, tensors, tasks.EVALUATION, seed)
        above = int((student > teacher / 2).sum())
        rows.append((student.mean(), teacher.mean(), random.mean(), above, student.min()))
        print(f"seed {seed:2d}: student {student.mean():6.1f}  teacher {teacher.mean():6.1f}  "
              f"ratio {student.mean() / teacher.mean():.4f}  above half {above:3d}  worst {student.min():6.1f}",
              flush=True)
    student, teacher, random, above, worst = np.array(rows).T
    print(f"all: student {student.mean():.1f}  teacher {teacher.mean():.1f}  random {random.mean():.1f}  "
          f"ratio {student.mean() / teacher.mean():.4f} (least of a seed {(student / teacher).min():.4f})  "
          f"above half: least {int(above.min())}, mean {above.mean():.2f}  worst episode {worst.min():.1f}")


if __name__ == "__main__":
    main()
