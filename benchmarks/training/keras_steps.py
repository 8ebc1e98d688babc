"""Steps of one network as the project trains it: a job on standard input, images per second on standard output."""

import json
import os
import sys
import time
from dataclasses import replace

import numpy as np


def main():
    """Train for some seconds after a few steps that do not count."""
    job = json.loads(sys.stdin.read())
    if job["cores"]:
        os.sched_setaffinity(0, job["cores"])
    from repsim.lab.backend import configure

    configure(job["threads"])
    import keras

    from repsim.lab.profiles import load_profile
    from repsim.lab.training import compiled

    group = load_profile(job["profile"]).group(job["group"])
    precision = {"float32": "float32", "bfloat16": "mixed_bfloat16"}[job["precision"]]
    model = compiled(replace(group, recipe=replace(group.recipe, precision=precision)), job["classes"], 390, 0)
    rng = np.random.default_rng(0)
    images = rng.standard_normal((job["batch"], 32, 32, 3), np.float32)
    labels = rng.integers(job["classes"], size=job["batch"]).astype(np.int32)
    for _ in range(job["warmup"]):
        model.train_on_batch(images, labels)
    start, steps = time.perf_counter(), 0
    while time.perf_counter() - start < job["seconds"]:
        model.train_on_batch(images, labels)
        steps += 1
    seconds = time.perf_counter() - start
    version = f"{keras.__version__}, {keras.backend.backend()}"
    print(json.dumps({"images_per_second": steps * job["batch"] / seconds, "version": version}))


if __name__ == "__main__":
    main()
