"""The measurements for the sizes asked for: each a name, a group and the jobs that are run one after the other."""

import itertools
from dataclasses import asdict, dataclass, field

from benchmarks.engine import operations
from benchmarks.engine.accuracy import WAYS

LINEAR, RBF = "cka_linear", "cka_rbf_0.4"
OPERATORS = [LINEAR, RBF, "hsic_linear", "linear_regression", "cca_r2"]
SINGULAR = ["svcca_r2", "svcca_mean", "cca_mean", "pwcca", "procrustes"]
FASTER = SINGULAR[:3]  # measured at twice as many examples too
HEADLINE, PAIRS, PARTS, SINGULAR_VALUES, GROWTH, ACCURACY = GROUPS = (
    "headline",
    "pairs",
    "parts",
    "singular",
    "growth",
    "accuracy",
)
OF_TRAINED = (PARTS, SINGULAR_VALUES)  # of representations of a trained network
OURS = ("engine", "engine_in_float64")  # of the ways; the others do not call the engine


@dataclass(frozen=True)
class Sizes:
    """What is measured: examples, networks, and the memory that the engine may take.

    Attributes
    ----------
    n, networks
        Of the comparison of all pairs, from which the growth is measured downwards too.
    n_large
        Examples of one network, for all indexes that are inner products of operators.
    n_paper
        Examples that the parts are extrapolated to.
    n_singular
        Examples for the indexes that need singular values and vectors of every pair; the others have twice as many.
    p_accuracy
        Features of the representations whose float32 value is compared with float64.
    memory, memory_bases
        MiB that the engine may take, and where it needs bases.
    side
        Of the square matrices that are multiplied for comparison.
    channels
        In place of Tiny-10's.
    widths
        Features of each compared layer of one network: found in the files where those are given.
    """

    n: int
    networks: int
    n_large: int
    n_paper: int
    n_singular: int
    p_accuracy: int
    memory: int
    memory_bases: int
    side: int
    channels: tuple[int, ...]
    widths: tuple[int, ...] = field(default=())

    def described(self):
        """Return the sizes for the record."""
        return asdict(self)


@dataclass(frozen=True)
class Measurement:
    """Jobs that belong together: interrupted, they are all run again, so that a ratio is of one run.

    Attributes
    ----------
    reads
        Whether all arrays are read once beforehand: it tells how fast the disk is, which can be several times slower
        with what has not been read for long.
    """

    name: str
    group: str
    jobs: tuple[dict, ...]
    reads: bool = False


def measurements(sizes):
    """Return all measurements, the shorter groups first."""
    return [
        *_accuracy(sizes),
        *_pairs(sizes),
        *_headline(sizes),
        *_parts(sizes),
        *_growth(sizes),
        *_singular(sizes),
    ]


def _job(task, **parameters):
    return {"task": task, "parameters": parameters}


def _table(networks, n, indexes, memory, layers=None, **options):
    parameters = {"networks": list(range(networks)), "n": n, "indexes": list(indexes), "memory": memory << 20}
    return _job("table", **parameters, layers=layers, **options)


def _headline(sizes):
    """Each table stands between the two halves of as many operations in square products."""
    widths = list(sizes.widths) * sizes.networks
    half = _job("products", side=sizes.side, wanted=operations.tile_pass(sizes.n, widths) // 2)
    return [
        Measurement(index, HEADLINE, (half, _table(sizes.networks, sizes.n, [index], sizes.memory), half), reads=True)
        for index in (LINEAR, RBF)
    ]


def _pairs(sizes):
    """One pair of each two widths, which then count as often as they occur; pairs with themselves are the norms."""
    place = {p: layer for layer, p in reversed(list(enumerate(sizes.widths)))}
    widths = sorted(place)
    norms = {f"norm of {p}": [[0, place[p]]] * 2 for p in widths}
    pairs = {f"{p} x {q}": [[0, place[p]], [0, place[q]]] for p, q in itertools.combinations(widths, 2)}
    for p in widths:
        others = [[0, layer] for layer, width in enumerate(sizes.widths) if width == p][1:]
        others += [[1, place[p]]] if sizes.networks > 1 else []
        if others:
            pairs[f"{p} x {p}"] = [[0, place[p]], others[0]]
    return [
        Measurement(name, PAIRS, (_job("pair", places=places, n=sizes.n),)) for name, places in (norms | pairs).items()
    ]


def _parts(sizes):
    """One network's tables at more examples; what is extrapolated from them is said where it is shown.

    A quarter of their operations in square products is enough to compare them with.
    """
    half = _job("products", side=sizes.side, wanted=operations.tile_pass(sizes.n_large, sizes.widths) // 8)
    return [
        Measurement(name, PARTS, (half, _table(1, sizes.n_large, indexes, sizes.memory_bases, **options), half))
        for name, indexes, options in (
            ("all", OPERATORS, {}),
            ("sample", OPERATORS, {"median": "sample"}),
            ("linear", [LINEAR], {}),
            ("rbf", [RBF], {}),
            ("bases", ["linear_regression", "cca_r2"], {}),
        )
    ]


def _singular(sizes):
    steps = sorted({max(8, sizes.n_singular // divisor) for divisor in (4, 2, 1)} | {2 * sizes.n_singular})
    return [
        Measurement(f"{index}, {n}", SINGULAR_VALUES, (_table(1, n, [index], sizes.memory_bases),))
        for n in steps
        for index in (SINGULAR if n <= sizes.n_singular else FASTER)
    ]


def _growth(sizes):
    """With the number of representations, of examples and of features, the other two held.

    The largest number of representations is the headline's. Widths at which linear CKA goes through products of
    features with features, which are fewer there, belong to another curve and are left out.
    """
    counts = sorted({max(1, sizes.networks * tenths // 10) for tenths in (1, 2)} - {sizes.networks})
    examples = sorted({max(16, sizes.n // divisor) for divisor in (8, 4, 2, 1)})
    planned = [
        Measurement(
            f"{index} representations {count * len(sizes.widths)}",
            GROWTH,
            (_table(count, sizes.n, [index], sizes.memory),),
        )
        for index in (LINEAR, RBF)
        for count in counts
    ]
    planned += [
        Measurement(f"{index} examples {n}", GROWTH, (_table(min(2, sizes.networks), n, [index], sizes.memory),))
        for index in (LINEAR, RBF)
        for n in examples
    ]
    wanted = {p: layer for layer, p in enumerate(sizes.widths) if 2 * _ALIKE * p > sizes.n}
    planned += [
        Measurement(f"{index} features {p}", GROWTH, (_table(1, sizes.n, [index], sizes.memory, [layer] * _ALIKE),))
        for index in (LINEAR, RBF)
        for p, layer in sorted(wanted.items())
    ]
    return planned


_ALIKE = 4  # representations of one width


def _accuracy(sizes):
    n, p = sizes.n, sizes.p_accuracy
    shared = {"n": n, "p": p, "memory": sizes.memory << 20}
    planned = [
        Measurement(f"{kind}, {way}", ACCURACY, (_job("value", way=way, kind=kind, **shared),))
        for kind in ("centred", "offset")
        for way in WAYS
    ]
    for way in OURS:
        for kind in ("centred", "offset"):
            planned += [
                Measurement(
                    f"{kind}, {way}, block {block}",
                    ACCURACY,
                    (_job("value", way=way, kind=kind, block=block, **shared),),
                )
                for block in sorted({max(1, n // 40), max(1, n // 11), max(1, n // 6)})
            ]
            shuffled = _job("value", way=way, kind=kind, shuffled=True, **shared)
            planned.append(Measurement(f"{kind}, {way}, shuffled", ACCURACY, (shuffled,)))
    return planned
