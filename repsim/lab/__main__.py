"""The command line of the experiments: ``python -m repsim.lab`` or ``repsim-lab``."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated

try:
    import typer
    from rich.console import Console

    import repsim
    from repsim.lab.backend import configure
    from repsim.lab.data import load_dataset
    from repsim.lab.errors import LabError
    from repsim.lab.profiles import load_profile
    from repsim.lab.repository import modified_files
    from repsim.lab.store import digest, profile_store
except ModuleNotFoundError as error:
    sys.exit(f"repsim-lab needs the experiments' packages, and {error.name} is missing: install repsim-revisited[lab]")

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)
console, errors = (Console(highlight=False, markup=False, soft_wrap=True, stderr=stderr) for stderr in (False, True))
EXECUTED = Path("build/notebooks")  # holds a folder for each profile
Executed = Annotated[Path | None, typer.Option(help=f"Folder of executed notebooks [{EXECUTED}/PROFILE]")]
Seeds = Annotated[list[int] | None, typer.Option(help="Train only this seed; may be repeated.")]
Again = Annotated[bool, typer.Option("--again", help="Train those too whose records are here, but not their weights.")]
ProfileName = Annotated[str, typer.Argument(metavar="PROFILE", help="smoke, laptop or paper")]


@app.command()
def data(profile: ProfileName) -> None:
    """Fetch and check the data sets of a profile."""
    from repsim.lab.transformers.corpus import load_split
    from repsim.lab.transformers.text import tokens

    for name in sorted({networks.dataset for networks in load_profile(profile).networks}):
        dataset = load_dataset(name)
        console.print(f"{name}: {len(dataset.train.labels)} training and {len(dataset.test.labels)} test images")
    if settings := load_profile(profile).transformers:
        for split in dict.fromkeys(("train", *settings.splits, settings.scored)):
            console.print(
                f"{settings.corpus}, {split}: {len(load_split(settings.corpus, split).source)} pairs of sentences"
            )
            if split != "train":  # of which too long sentences are left out
                tokens(settings, split)


@app.command()
def train(
    profile: ProfileName,
    group: Annotated[list[str] | None, typer.Option(help="Train only this group; may be repeated.")] = None,
    seed: Seeds = None,
    threads: Annotated[
        int, typer.Option(help="Threads per network, of TensorFlow; a resumed run must use the same.")
    ] = 1,
    held_out: Annotated[
        int, typer.Option(help="Hold out this many training images and score on them instead.", min=0)
    ] = 0,
    missing: Annotated[
        bool, typer.Option("--missing", help="Train none; print options that train each, the longest first.")
    ] = False,
    again: Again = False,
) -> None:
    """Train the networks of a profile that are missing."""
    store = profile_store(profile)
    jobs = load_profile(profile).jobs(group, seed)  # what does not exist is refused before a backend is loaded
    if held_out:
        jobs = [(replace(of, recipe=replace(of.recipe, held_out=held_out)), number) for of, number in jobs]
    if missing:
        from repsim.lab.weights import find_network

        options = f"--threads {threads} --held-out {held_out}{' --again' * again}"
        for networks, number in sorted(jobs, key=lambda job: -job[0].minutes):
            if (made := find_network(store, networks, number)) is None or (again and made.is_away):
                console.print(f"--group {networks.name} --seed {number} {options}")
        return
    configure(threads)
    from repsim.lab.training import train_network

    for networks, number in jobs:
        record = train_network(store, networks, number, again=again).record
        images = "held-out" if held_out else "test"
        console.print(f"{record['name']}: {images} accuracy {record[images.replace('-', '_') + '_accuracy']:.2%}")


@app.command()
def transformers(
    profile: ProfileName,
    seed: Seeds = None,
    epoch: Annotated[int | None, typer.Option(help="Stop after so many epochs; a later run goes on.")] = None,
    again: Again = False,
) -> None:
    """Train the Transformers of a profile that are missing."""
    configure(1)
    from repsim.lab.transformers.training import train_transformer
    from repsim.lab.weights import transformers_of

    settings = transformers_of(profile)
    for number in seed or settings.seeds:
        record = train_transformer(profile_store(profile), settings, number, epoch=epoch, again=again).record
        console.print(f"{record['name']}: BLEU {record['bleu']:.1f}" if "bleu" in record else record["name"])
        if left_out := record.get("left_out"):
            console.print(f"left out: {left_out} pairs of sentences that are longer than the recipe's buckets")


@app.command()
def measure(
    profile: ProfileName,
    only: Annotated[str, typer.Option(help="Pattern of the wanted names, such as 'within/*'.")] = "*",
) -> None:
    """Make the measurements of a profile that are missing, and train the networks that they need."""
    from repsim.lab.measurements import steps

    wanted = steps(profile, only)  # what does not exist is refused before a backend is loaded
    configure(1)  # as in training: what is missing is trained
    for name, step in wanted.items():
        artefact = step()
        console.print(f"{name}: {artefact.path.parent.name}/{artefact.path.name}, {artefact.record['seconds']} s")


@app.command()
def plan(profile: ProfileName) -> None:
    """Print what a profile costs and what of it has been done; trains and measures nothing."""
    from repsim.lab.planning import describe

    console.print(describe(profile))


@app.command()
def execute(
    notebook: Annotated[Path, typer.Argument(help="A notebook of the notebooks folder")],
    profile: Annotated[str, typer.Option(help="smoke, laptop or paper")] = "laptop",
    out: Annotated[Path | None, typer.Option(help=f"Where the executed notebook goes [{EXECUTED}/PROFILE]")] = None,
) -> None:
    """Run one notebook on the results of a profile and stamp it with where it comes from."""
    from repsim.lab.execution import execute as run

    load_profile(profile)
    out = out or EXECUTED / profile
    run(notebook, profile, out if out.suffix == ".ipynb" else out / notebook.name)


@app.command()
def judge(profile: ProfileName, executed: Executed = None) -> None:
    """Take what the executed notebooks measured for the claims into the results, and write all verdicts beside them."""
    from repsim.lab.claim_tables import summary
    from repsim.lab.claims import take

    take(profile, executed or EXECUTED / profile)
    console.print(summary(profile))


@app.command()
def claims(
    profile: ProfileName,
    readme: Annotated[Path | None, typer.Option(help="Write the summary into this file")] = None,
) -> None:
    """Print the verdict of every claim, computed from what was measured."""
    from repsim.lab.claim_tables import summary, write_readme

    console.print(summary(profile))
    if readme:
        write_readme(readme, profile)


@app.command()
def stage(
    profile: ProfileName,
    executed: Executed = None,
    target: Annotated[Path, typer.Option(help="Folder to make the book's sources in")] = Path("build/book"),
    published: Annotated[bool, typer.Option("--published", help="Take only the notebooks of _toc.yml.")] = False,
) -> None:
    """Put the sources of the book together: pages, executed notebooks, claims, data for download."""
    from repsim.lab.staging import stage as assemble

    assemble(profile, executed or EXECUTED / profile, target, published=published)


@app.command()
def archive(
    profile: ProfileName,
    executed: Executed = None,
    out: Annotated[Path, typer.Option(help="Folder that the archive goes into")] = Path("build/archive"),
) -> None:
    """Write sources, results, executed notebooks, figures and verdicts into one research object (RO-Crate)."""
    from repsim.lab.archives.writing import archive as write

    path = write(profile, out, executed or EXECUTED / profile)
    console.print(f"{path}: {path.stat().st_size / 1e6:.1f} MB, SHA-256 {digest(path)}")
    if modified := modified_files():
        console.print(f"It differs from the commit in: {', '.join(modified)}")


@app.command()
def certify(
    archive: Annotated[Path, typer.Argument(help="What `repsim-lab archive` wrote")],
    seed: Annotated[int, typer.Option(help="Draws the sample that is computed again", min=0)] = 0,
    minutes: Annotated[float, typer.Option(help="Of processor time for the sample", min=0)] = 2.0,
    out: Annotated[Path, typer.Option(help="Folder that the certificate goes into")] = Path("build/certificate"),
) -> None:
    """Compare an archive with its hashes and a sample of it with what is computed again, and write a certificate."""
    from repsim.lab.archives.certification import certify as examine
    from repsim.lab.archives.checks import CertificationError

    with console.status("unpacking and comparing"):
        certificate = examine(
            archive, seed, report=lambda check: console.print(check.outcome, check.what), minutes=minutes
        )
    text, data = certificate.write(out)
    console.print(f"\n{certificate.text()}")
    console.print(f"Written to {text} and {data.name}")
    if not certificate.agreed:
        raise CertificationError(f"{archive} does not hold what it says; {text} names each difference")


def main() -> None:
    """Run the command line; a foreseeable error is one sentence and exit status 1."""
    try:
        app()
    except (LabError, OSError, repsim.ParameterError, repsim.RepresentationError, repsim.UnknownIndexError) as error:
        errors.print("error:", error)
        sys.exit(1)


if __name__ == "__main__":
    main()
