"""The libraries: what is installed, and what each of their numbers is meant to be and is."""

from dataclasses import dataclass
from pathlib import Path

ADAPTERS = Path(__file__).parent / "adapters"
OURS = "repsim-revisited"
# One torch for all that need it. Newer ones exist; this is the release that the project's own tests use.
TORCH = ("torch==2.13.0", "numpy==2.4.6")


@dataclass(frozen=True)
class Entry:
    """One number of a library: the index of ours that it is to be compared with, and why it differs."""

    reference: str
    cause: str = "none"


@dataclass(frozen=True)
class Peer:
    """A library.

    Attributes
    ----------
    requires
        What pip is asked for, pinned; nothing: it runs in the project's own environment.
    without_dependencies
        Asked for with --no-deps, after `requires`.
    torch
        Whether the shared torch is put on its path.
    note
        What a reader has to know about the installation.
    """

    name: str
    adapter: str
    entries: dict[str, Entry]
    requires: tuple[str, ...] = ()
    without_dependencies: tuple[str, ...] = ()
    torch: bool = False
    note: str = ""

    @property
    def script(self):
        return ADAPTERS / self.adapter


def _ours():
    from repsim import INDEXES

    names = [name for name, index in INDEXES.items() if index.function]
    return {name: Entry(name) for name in names} | {"cka_linear_debiased, in blocks": Entry("cka_linear_debiased")}


BIASED, DEBIASED = "cka_linear", "cka_linear_debiased"

PEERS = [
    Peer(OURS, "for_ours.py", _ours()),
    Peer(
        "authors' notebook",
        "for_demo.py",
        {"cca": Entry("cca_r2", "uncentred-cca"), "cca, double": Entry("cca_r2", "uncentred-cca")},
        note="cannot be installed, and was not run: its convention, written from its description by us",
    ),
    Peer(
        "pytorch-cka",
        "for_pytorch_cka.py",
        {
            "cka_from_features": Entry(DEBIASED, "debiased-clamped"),
            "cka_from_features, double": Entry(DEBIASED, "debiased-clamped"),
            "compute_cka": Entry(DEBIASED, "minibatch-clamped"),
            "compute_cka, double": Entry(DEBIASED, "minibatch-clamped"),
        },
        ("pytorch-cka==1.1.3",),
        torch=True,
    ),
    Peer(
        "torch-cka",
        "for_torch_cka.py",
        {
            "CKA.compare": Entry(DEBIASED, "minibatch"),
            "CKA.compare, double": Entry(DEBIASED, "minibatch"),
            "CKA.compare, float64 model": Entry(DEBIASED, "minibatch"),
        },
        ("torch-cka==0.21", "tqdm==4.70.1", "matplotlib==3.11.2"),
        torch=True,
        note="declares no dependencies: torch, tqdm and matplotlib have to be installed beside it",
    ),
    Peer(
        "ckatorch",
        "for_ckatorch.py",
        {
            "cka_base": Entry(BIASED),
            "cka_base(unbiased)": Entry(DEBIASED),
            "cka_base(unbiased, hsic)": Entry(DEBIASED, "option-ignored"),
            "cka_base(rbf)": Entry("cka_rbf_1", "lower-median"),
            "CKA": Entry(DEBIASED, "last-batch"),
            "CKA, a batch axis added": Entry(DEBIASED, "last-batch"),
        },
        ("ckatorch==1.0.3",),
        torch=True,
    ),
    Peer(
        "cka-pytorch",
        "for_cka_pytorch.py",
        {
            "CKACalculator": Entry(DEBIASED, "minibatch-epsilon"),
            "CKACalculator, double": Entry(DEBIASED, "minibatch-epsilon"),
        },
        ("lightning==2.6.6", "matplotlib==3.11.2", "seaborn==0.13.2", "torchmetrics==1.9.0", "tqdm==4.70.1"),
        ("cka-pytorch==1.1.3",),
        torch=True,
        note="installed without torchvision, which it requires and never imports, and which would replace torch",
    ),
    Peer(
        "repsim",
        "for_repsim.py",
        {
            "cka(linear, gretton)": Entry(BIASED),
            "cka(linear, song)": Entry(DEBIASED, "song-over-biased"),
            "cka(linear, lange)": Entry(DEBIASED, "zeroed-diagonal-over-biased"),
            "hsic(linear, gretton)": Entry("hsic_linear"),
            "hsic(linear, song)": Entry("hsic_linear_debiased"),
            "hsic(linear, lange)": Entry("hsic_linear_debiased", "zeroed-diagonal"),
            "cka(rbf, gretton)": Entry("cka_rbf_1", "median-without-diagonal"),
            "cka(rbf_mean, gretton)": Entry("cka_rbf_1", "mean-distance"),
            "cka(rbf_dualmed, gretton)": Entry("cka_rbf_1", "median-per-example"),
            "cca(yanai)": Entry("cca_r2", "rank-before-centring-r2"),
            "cca(pillai)": Entry("cca_mean", "rank-before-centring-mean"),
            "svcca(yanai)": Entry("svcca_r2", "whitened-first-r2"),
            "svcca(pillai)": Entry("svcca_mean", "whitened-first-mean"),
            "pwcca": Entry("pwcca", "pwcca-both-ways"),
            "dot_product": Entry("hsic_linear", "uncentred-product"),
        },
        ("repsim==0.1.5", "numpy==2.4.6"),
        note="the other package of that name",
    ),
    Peer(
        "rsatoolbox",
        "for_rsatoolbox.py",
        {
            "compare(cosine_cov)": Entry(BIASED),
            "compare(corr_cov)": Entry(BIASED, "distances-mean-removed"),
            "compare(cosine)": Entry(BIASED, "distances-cosine"),
            "compare(corr)": Entry(BIASED, "distances-correlation"),
            "compare(bures)": Entry("procrustes", "roots-of-eigenvalues"),
            "compare(bures), double": Entry("procrustes", "roots-of-eigenvalues"),
            "compare(spearman)": Entry("rsa"),
            "compare(spearman), double": Entry("rsa"),
        },
        ("rsatoolbox==0.3.2", "numpy==2.4.6", "scipy==1.17.1"),
    ),
    Peer(
        "cca-zoo",
        "for_cca_zoo.py",
        {
            "CCA().score": Entry("cca_mean", "first-correlation"),
            "CCA().score, double": Entry("cca_mean", "first-correlation"),
            "CCA(all components).score": Entry("cca_mean"),
            "CCA(all components).score, double": Entry("cca_mean"),
            "mean square of CCA(all components)": Entry("cca_r2"),
            "mean square of CCA(all components), double": Entry("cca_r2"),
        },
        ("cca-zoo==4.0.1", "numpy==2.4.6", "scipy==1.17.1"),
    ),
]
