"""Run by the environment of `make hub`: activations of real architectures against those taken by hand."""

import sys
import warnings

import numpy as np
import timm
import torch
import torchvision
from torch.utils.data import DataLoader, TensorDataset
from transformers import BatchEncoding, BertConfig, BertModel, GPT2Config, GPT2Model

import repsim.torch
from repsim.pairwise import pairwise

warnings.simplefilter("error", UserWarning)
torch.manual_seed(0)
IMAGES = torch.randn(20, 3, 64, 64)


def by_hand(model, name, run):
    """Return copies of what a module gave, call by call."""
    calls = []
    hook = dict(model.named_modules())[name].register_forward_hook(lambda m, i, o: calls.append(o.clone()))
    with torch.no_grad():
        run()
    hook.remove()
    return calls


def resnet():
    model = torchvision.models.resnet18().eval()
    taken = repsim.torch.activations(
        model, DataLoader(TensorDataset(IMAGES, IMAGES), batch_size=8), layers="layer1.0.*"
    )
    assert list(taken) == [f"layer1.0.{name}" for name in ("conv1", "bn1", "relu", "conv2", "bn2", "relu#2")]
    for name in ("bn1", "relu", "bn2"):
        for i, right in enumerate(by_hand(model, f"layer1.0.{name}", lambda: model(IMAGES))):
            torch.testing.assert_close(taken[f"layer1.0.{name}" + ("#2" if i else "")], right, rtol=1e-4, atol=1e-5)
    assert len(repsim.torch.layers(model, torch.nn.Conv2d)) == 20


def vision_transformers():
    vit = timm.create_model("vit_tiny_patch16_224", pretrained=False, img_size=64).eval()
    taken = repsim.torch.activations(vit, IMAGES, layers="blocks.3", pool="first", batch_size=7)["blocks.3"]
    (right,) = by_hand(vit, "blocks.3", lambda: vit(IMAGES))
    torch.testing.assert_close(taken, right[:, 0], rtol=1e-4, atol=1e-5)
    assert "patch_embed.proj" not in repsim.torch.activations(vit, IMAGES[:2], pool="first")
    swin = timm.create_model("swin_tiny_patch4_window7_224", pretrained=False).eval()
    x = torch.randn(2, 3, 224, 224)
    taken = repsim.torch.activations(swin, x, layers="layers.2", pool=lambda h: h.mean((1, 2)))["layers.2"]
    (right,) = by_hand(swin, "layers.2", lambda: swin(x))
    torch.testing.assert_close(taken, right.mean((1, 2)))


def language_models():
    ids = torch.randint(1000, 2000, (20, 12))
    lengths = torch.randint(3, 13, (20,))
    mask = (torch.arange(12) < lengths[:, None]).long()
    batch = BatchEncoding({"input_ids": ids, "attention_mask": mask})
    gpt = GPT2Model(GPT2Config(n_layer=3, n_head=2, n_embd=32)).eval()
    bert = BertModel(
        BertConfig(num_hidden_layers=3, num_attention_heads=2, hidden_size=32, intermediate_size=64)
    ).eval()
    for model, name in ((gpt, "h.1"), (bert, "encoder.layer.1")):
        alone = [
            by_hand(model, name, lambda row=row, n=n, model=model: model(input_ids=row[None, :n]))[0]
            for row, n in zip(ids, lengths, strict=True)
        ]
        alone = [h[0] if isinstance(h, tuple) else h for h in alone]
        for how, right in {
            "mean": torch.cat([h.mean(1) for h in alone]),
            "first": torch.cat([h[:, 0] for h in alone]),
            "last": torch.cat([h[:, -1] for h in alone]),
            "tokens": torch.cat([h[0] for h in alone]),
        }.items():
            taken = repsim.torch.activations(model, batch, layers=name, pool=how, batch_size=6)[name]
            torch.testing.assert_close(taken, right, rtol=1e-3, atol=1e-4)
    half = repsim.torch.activations(bert.bfloat16(), batch, layers="encoder.layer.?", pool="last")
    assert {rows.dtype for rows in half.values()} == {torch.bfloat16}
    assert np.isfinite(pairwise(list(half.values()), index="cka_linear_debiased")).all()
    assert not any(module._forward_hooks for module in bert.modules())


if __name__ == "__main__":
    {f.__name__: f for f in (resnet, vision_transformers, language_models)}[sys.argv[1]]()
