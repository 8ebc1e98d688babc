"""One library from two PyTorch models to a table: python from_models.py LIBRARY CALLS OUT. The last call is measured.

Each function below is what a user of that library writes. The models and the images are the same for all.
"""

import inspect
import json
import sys
import time
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

IMAGES, SIDE, BATCH = 500, 64, 50


class Block(nn.Module):
    """Two convolutions and a shortcut."""

    def __init__(self, channels, out, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, out, 3, stride, 1, bias=False)
        self.bn1, self.bn2 = nn.BatchNorm2d(out), nn.BatchNorm2d(out)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(out, out, 3, 1, 1, bias=False)
        same = stride == 1 and channels == out
        shortcut = [nn.Conv2d(channels, out, 1, stride, bias=False), nn.BatchNorm2d(out)]
        self.downsample = nn.Identity() if same else nn.Sequential(*shortcut)

    def forward(self, x):
        h = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        return self.relu(h + self.downsample(x))


def resnet18(seed):
    """He et al. (2016), as torchvision has it: 20 convolutions, three of them in shortcuts."""
    torch.manual_seed(seed)
    stem = [nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, 1)]
    widths = [(64, 64, 1), (64, 64, 1), (64, 128, 2), (128, 128, 1), (128, 256, 2), (256, 256, 1), (256, 512, 2)]
    blocks = [Block(*width) for width in [*widths, (512, 512, 1)]]
    return nn.Sequential(*stem, *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 10)).eval()


def forward(a, b, loader):
    with torch.no_grad():
        for images, _ in loader:
            a(images)
            b(images)


def least(a, b, loader):
    """Do what exact values need at least: each activation copied once, one symmetric product of each layer."""
    from scipy.linalg.blas import ssyrk

    for model in (a, b):
        for rows in _copied(model, loader):
            ssyrk(1.0, rows.T, trans=True)


def _copied(model, loader):
    """Yield (n, p) of each convolution, which may go when the next one comes."""
    copies, images_before = {}, 0

    def copy(module, inputs, output):
        flat = output.flatten(1).numpy()
        if module not in copies:
            copies[module] = np.empty((IMAGES, flat.shape[1]), np.float32)
        copies[module][images_before : images_before + len(flat)] = flat

    hooks = [module.register_forward_hook(copy) for module in model.modules() if isinstance(module, nn.Conv2d)]
    with torch.no_grad():
        for images, _ in loader:
            model(images)
            images_before += len(images)
    for hook in hooks:
        hook.remove()
    while copies:
        yield copies.pop(next(iter(copies)))


def ours(a, b, loader):
    import repsim

    return repsim.compare(a, b, loader, layers=nn.Conv2d, index="cka_linear_debiased").values


def torch_cka(a, b, loader):
    from torch_cka import CKA

    names = [name for name, module in a.named_modules() if isinstance(module, nn.Conv2d)]
    cka = CKA(a, b, "a", "b", model1_layers=names, model2_layers=names, device="cpu")
    cka.compare(loader, loader)
    return cka.export()["CKA"]


def pytorch_cka(a, b, loader):
    from cka import compute_cka

    names = [name for name, module in a.named_modules() if isinstance(module, nn.Conv2d)]
    return compute_cka(a, b, loader, layers=names, device="cpu", progress=False)[0]


def ckatorch(a, b, loader):
    from ckatorch import CKA

    names = [name for name, module in a.named_modules() if isinstance(module, nn.Conv2d)]
    cka = CKA(a, b, names, first_name="a", second_name="b")
    return cka(loader, epochs=1, f_extract=lambda batch: {"input": batch[0]}, f_args={})


def exact(a, b, loader):
    """Each activation copied by hand, each U-centred Gram matrix in float64 by its definition."""
    grams = []
    for model in (a, b):
        taken, hooks = {}, []
        for module in model.modules():
            if isinstance(module, nn.Conv2d):
                keep = taken.setdefault(module, [])
                hooks.append(module.register_forward_hook(lambda m, i, o, keep=keep: keep.append(o.flatten(1).clone())))
        with torch.no_grad():
            for images, _ in loader:
                model(images)
        while taken:
            x = torch.cat(taken.pop(next(iter(taken)))).numpy().astype(np.float64)
            x -= x.mean(axis=0)
            gram = x @ x.T
            np.fill_diagonal(gram, 0)
            n, sums = len(gram), gram.sum(axis=0)
            gram += sums.sum() / ((n - 1) * (n - 2)) - sums / (n - 2) - sums[:, None] / (n - 2)
            np.fill_diagonal(gram, 0)
            grams.append((gram / np.linalg.norm(gram)).ravel())
    half = len(grams) // 2
    return np.array(grams[:half]) @ np.array(grams[half:]).T


LIBRARIES = {f.__name__: f for f in (forward, least, ours, torch_cka, pytorch_cka, ckatorch, exact)}


def peak_mib():
    """Return the most resident memory of this process so far."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return round(int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 2**10, 1)


def main(library, calls, out):
    """Measure the last of some calls, the first one with everything that it imports."""
    a, b = resnet18(0), resnet18(1)
    images = torch.randn(IMAGES, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(2))
    loader = DataLoader(TensorDataset(images, torch.zeros(IMAGES)), batch_size=BATCH)
    body = inspect.getsource(LIBRARIES[library]).splitlines()[1:]
    measured = {"lines": sum(bool(line.strip()) for line in body), "base_mib": peak_mib()}
    try:
        for _ in range(int(calls)):
            processor, wall = time.process_time(), time.perf_counter()
            values = LIBRARIES[library](a, b, loader)
        measured["values"] = None if values is None else np.asarray(values, dtype=float).tolist()
    except Exception as error:  # whatever a library raises is what is reported
        measured["error"] = f"{type(error).__name__}: {error}"
    measured |= {"processor_seconds": time.process_time() - processor, "seconds": time.perf_counter() - wall}
    measured["peak_mib"] = peak_mib()
    Path(out).write_text(json.dumps(measured), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
