"""Success of the T-maze agent against the length of the corridor, measured on the engine: a table on standard output,
a figure as SVG.

    python3 apps/agents/training/plot_tmaze.py --out apps/agents/tmaze.svg
"""

import argparse
import json
import math
import subprocess

LENGTHS = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192]
SEEDS = range(1, 6)
EPISODES = 100
TRAINED_LENGTH = 128
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 720, 360, 64, 24, 48, 56


def measure(program, device, length):
    """Shares of episodes that end on the right side, one for each seed."""
    shares = []
    for seed in SEEDS:
        command = [program, "run", "tmaze", "--task", f"tmaze:{length}", "--episodes", str(EPISODES),
                   "--seed", str(seed), "--device", device, "--json"]
        result = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        shares.append(result["mean_return"])
    return shares


def x_of(length):
    return LEFT + (WIDTH - LEFT - RIGHT) * math.log2(length) / math.log2(LENGTHS[-1])


def y_of(share):
    return TOP + (HEIGHT - TOP - BOTTOM) * (1 - share)


def text(x, y, words, anchor="middle", colour="#444", size=13):
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}" font-size="{size}">{words}</text>'


def line(x1, y1, x2, y2, style):
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" {style}/>'


def figure(rows):
    """rows: (length, mean share, least share of a seed)."""
    right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif">',
             f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
             text(LEFT, 24, "T-maze: turns to the side of the cue, after a corridor of L cells", "start", "#222", 15)]
    for share in (0, .25, .5, .75, 1):
        parts.append(line(LEFT, y_of(share), right, y_of(share), 'stroke="#ddd"'))
        parts.append(text(LEFT - 8, y_of(share) + 4, f"{100 * share:.0f} %", "end"))
    for length in LENGTHS:
        parts.append(text(x_of(length), bottom + 18, length))
    parts.append(text((LEFT + right) / 2, HEIGHT - 14, "L, cells"))
    parts.append(line(LEFT, y_of(.5), right, y_of(.5), 'stroke="#999" stroke-dasharray="5 4"'))
    parts.append(text(LEFT + 8, y_of(.5) - 6, "guessing", "start", "#777"))
    trained = x_of(TRAINED_LENGTH)
    parts.append(line(trained, TOP, trained, bottom, 'stroke="#999" stroke-dasharray="2 3"'))
    parts.append(text(trained - 6, bottom - 10, f"trained up to {TRAINED_LENGTH}", "end", "#777"))
    least = " ".join(f"{x_of(length):.1f},{y_of(share):.1f}" for length, _, share in rows)
    mean = " ".join(f"{x_of(length):.1f},{y_of(share):.1f}" for length, share, _ in rows)
    parts.append(f'<polyline points="{least}" fill="none" stroke="#9cc3e6" stroke-width="2"/>')
    parts.append(f'<polyline points="{mean}" fill="none" stroke="#1f6fb4" stroke-width="2.5"/>')
    parts += [f'<circle cx="{x_of(length):.1f}" cy="{y_of(share):.1f}" r="4" fill="#1f6fb4"/>'
              for length, share, _ in rows]
    parts.append(text(LEFT + 8, y_of(1) + 20, f"mean of {len(SEEDS)} seeds, {EPISODES} episodes each", "start", "#1f6fb4"))
    parts.append(text(LEFT + 8, y_of(1) + 38, "least of a seed", "start", "#6aa3d0"))
    return "\n".join(parts + ["</svg>", ""])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", required=True)
    parser.add_argument("--program", default="build/release/bin/gramian")
    parser.add_argument("--device", default="host")
    arguments = parser.parse_args()
    rows = []
    print("| L | success, mean | least of a seed |\n| --- | --- | --- |")
    for length in LENGTHS:
        shares = measure(arguments.program, arguments.device, length)
        rows.append((length, sum(shares) / len(shares), min(shares)))
        print(f"| {length} | {rows[-1][1]:.3f} | {rows[-1][2]:.2f} |", flush=True)
    with open(arguments.out, "w") as file:
        file.write(figure(rows))


if __name__ == "__main__":
    main()
