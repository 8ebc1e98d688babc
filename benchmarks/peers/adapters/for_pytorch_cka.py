"""pytorch-cka: a function on features, and one on models and loaders."""

import torch
from cka import cka_from_features, compute_cka
from protocol import run, streaming
from stored import LAYER, loader, models, precision


def features(x, y):
    return cka_from_features(torch.as_tensor(x), torch.as_tensor(y))


def compare(x, y, batch, dtype):
    first, second = models(x, y, dtype)
    found = compute_cka(first, second, loader(len(x), batch), layers=[LAYER], device="cpu", progress=False)
    return found[0][0, 0]


@streaming
def single(x, y, batch):
    return compare(x, y, batch, torch.float32)


@streaming
def double(x, y, batch):
    with precision(torch.float64):
        return compare(x, y, batch, torch.float64)


if __name__ == "__main__":
    run(
        "pytorch-cka",
        {"cka_from_features": features, "compute_cka": single, "compute_cka, double": double},
    )
