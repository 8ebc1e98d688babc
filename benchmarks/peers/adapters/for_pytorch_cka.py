"""pytorch-cka: a function on features, and one on models and loaders."""

import torch
from cka import cka_from_features, compute_cka
from protocol import run
from stored import LAYER, in_single_and_double, loader, models


def features(x, y):
    return cka_from_features(torch.as_tensor(x), torch.as_tensor(y))


def features_in_double(x, y):
    return cka_from_features(torch.as_tensor(x).double(), torch.as_tensor(y).double())


def compare(x, y, batch, dtype):
    first, second = models(x, y, dtype)
    matrices = compute_cka(first, second, loader(len(x), batch), layers=[LAYER], device="cpu", progress=False)
    return matrices[0][0, 0]


if __name__ == "__main__":
    single, double = in_single_and_double(compare)
    run(
        "pytorch-cka",
        {
            "cka_from_features": features,
            "cka_from_features, double": features_in_double,
            "compute_cka": single,
            "compute_cka, double": double,
        },
    )
