"""A script that was written for Azure ML: it descends a parabola, and logs how far it is from the minimum."""

import argparse

from azureml.core import Run

parser = argparse.ArgumentParser()
parser.add_argument("--learning-rate", type=float, default=0.1)
parser.add_argument("--steps", type=int, default=20)
args = parser.parse_args()

run = Run.get_context()
run.log("learning rate", args.learning_rate, description="how far each step goes")
x = 4.0
for step in range(args.steps):
    run.log("loss", x * x, step=step)
    x -= args.learning_rate * 2 * x
print(f"minimum at {x:.4f}")
