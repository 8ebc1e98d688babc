"""Steps of one network in PyTorch, channels last: a job on standard input, images per second on standard output.

It runs in an environment that holds nothing but torch and NumPy.
"""

import contextlib
import json
import os
import sys
import time

import torch
from torch import nn
from torch.nn import functional


class Convolution(nn.Module):
    """A convolution and its normalisation; the ReLU is applied by the network."""

    def __init__(self, inputs, table, normalised):
        super().__init__()
        self.padding = table["size"] // 2 if table["padding"] == "same" else 0
        self.filter = nn.Conv2d(
            inputs, table["channels"], table["size"], table["stride"], self.padding, bias=not normalised
        )
        self.norm = nn.BatchNorm2d(table["channels"]) if normalised else nn.Identity()

    def forward(self, x):
        return self.norm(self.filter(x))


class Network(nn.Module):
    """The network of a table, as repsim.lab.networks builds it in Keras."""

    def __init__(self, table, classes):
        super().__init__()
        channels, convolutions = 3, []
        for layer in table["convolutions"]:
            convolutions.append(Convolution(channels, layer, table["normalised"]))
            channels = layer["channels"]
        self.parts, self.residual = nn.ModuleList(convolutions), table["residual"]
        self.logits = nn.Linear(channels, classes)

    def forward(self, x):
        if not self.residual:
            for convolution in self.parts:
                x = functional.relu(convolution(x))
            return self.logits(x.mean((2, 3)))
        x = functional.relu(self.parts[0](x))
        for first, second in zip(self.parts[1::2], self.parts[2::2], strict=True):
            stride, added = first.filter.stride[0], first.filter.out_channels - x.shape[1]
            shortcut = functional.pad(x[:, :, ::stride, ::stride], (0, 0, 0, 0, 0, added))
            x = functional.relu(second(functional.relu(first(x))) + shortcut)
        return self.logits(x.mean((2, 3)))


def main():
    """Train for some seconds after a few steps that do not count."""
    job = json.loads(sys.stdin.read())
    if job["cores"]:
        os.sched_setaffinity(0, job["cores"])
    torch.set_num_threads(job["threads"])
    torch.manual_seed(0)
    model = Network(job["table"], job["classes"]).to(memory_format=torch.channels_last).train()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, nesterov=True, weight_decay=1e-4)
    images = torch.randn(job["batch"], 3, 32, 32).to(memory_format=torch.channels_last)
    labels = torch.randint(job["classes"], (job["batch"],))
    half = job["precision"] == "bfloat16"

    def step():
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast("cpu", torch.bfloat16) if half else contextlib.nullcontext():
            logits = model(images)
        loss = functional.cross_entropy(logits.float(), labels)
        loss.backward()
        optimizer.step()
        return float(loss), float((logits.argmax(1) == labels).float().mean())

    for _ in range(job["warmup"]):
        step()
    start, steps = time.perf_counter(), 0
    while time.perf_counter() - start < job["seconds"]:
        step()
        steps += 1
    seconds = time.perf_counter() - start
    print(json.dumps({"images_per_second": steps * job["batch"] / seconds, "version": torch.__version__}))


if __name__ == "__main__":
    main()
