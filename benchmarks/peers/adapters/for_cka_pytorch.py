"""cka-pytorch: models and a loader of (input, label), ten passes unless told otherwise."""

import torch
from cka_pytorch import CKACalculator
from protocol import run
from stored import LAYER, in_single_and_double, loader, models


def compare(x, y, batch, dtype):
    first, second = models(x, y, dtype)
    calculator = CKACalculator(first, second, [LAYER], device=torch.device("cpu"), verbose=False)
    return calculator.calculate_cka_matrix(loader(len(x), batch, columns=2))[0, 0]


if __name__ == "__main__":
    single, double = in_single_and_double(compare)
    run("cka-pytorch", {"CKACalculator": single, "CKACalculator, double": double})
