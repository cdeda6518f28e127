"""What bfloat16 gives a training step, for all products and for the large ones alone.

``python -m benchmarks.precision --data FOLDER [--models A,B] [--repeats N]``: median
milliseconds, the three taking turns, with as many threads as torch takes. On a processor without
bfloat16 instructions they are all the same.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from benchmarks.__main__ import LARGE, WIDE, describe_machine
from benchmarks.steps import Step, model_step
from benchmarks.timing import medians_in_turn
from recbole_a2d.precision import products_in

MODELS = "A2DMTL,SRGNN,CLHHN,MiaSRec"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.precision", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of a converted data set")
    parser.add_argument("--models", default=MODELS, help="names, comma-separated")
    parser.add_argument("--repeats", type=int, default=11)
    given = parser.parse_args()
    print(f"{given.data.name} ({describe_machine()})\n")
    print("| step, ms | float32 | large products in bfloat16 | all products in bfloat16 |")
    print("| --- | ---: | ---: | ---: |")
    for model in given.models.split(","):
        for size in (WIDE, LARGE):
            medians = medians_in_turn(_steps(given.data, model, size), given.repeats)
            cells = " | ".join(f"{1000 * seconds:.0f}" for seconds in medians.values())
            name = f"{model}, batch {size['train_batch_size']}, dim {size['embedding_size']}"
            print(f"| {name} | {cells} |", flush=True)


def _steps(folder: Path, model: str, size: dict[str, int]) -> dict[str, Step]:
    """The same model three times, each with batches of its own."""
    found = {
        "float32": model_step(folder, model, precision="float32", **size),
        "large": model_step(folder, model, precision="bfloat16", **size),
    }
    of_all = model_step(folder, model, precision="bfloat16", **size)

    def everything() -> None:
        with products_in(torch.bfloat16):
            of_all()

    return found | {"all": everything}


if __name__ == "__main__":
    main()
