"""cka-pytorch: models and a loader of (input, label), ten passes unless told otherwise."""

import torch
from cka_pytorch import CKACalculator
from protocol import run, streaming
from stored import LAYER, loader, models, precision


def compare(x, y, batch, dtype):
    first, second = models(x, y, dtype)
    calculator = CKACalculator(first, second, [LAYER], device=torch.device("cpu"), verbose=False)
    return calculator.calculate_cka_matrix(loader(len(x), batch, columns=2))[0, 0]


@streaming
def single(x, y, batch):
    return compare(x, y, batch, torch.float32)


@streaming
def double(x, y, batch):
    with precision(torch.float64):
        return compare(x, y, batch, torch.float64)


if __name__ == "__main__":
    run("cka-pytorch", {"CKACalculator": single, "CKACalculator, double": double})
