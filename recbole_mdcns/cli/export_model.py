"""``recbole-mdcns export-model MODEL --onnx m.onnx --embeddings FOLDER``: a model for programs without torch."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from recbole_mdcns.cli.arguments import Parser, check_files
from recbole_mdcns.errors import ConfigError, UserError
from recbole_mdcns.support.path_names import expanded


def add_arguments(parser: Parser) -> None:
    """Add the options."""
    parser.add_argument("file", metavar="MODEL", help="the file of the best self model, or of a peer")
    parser.add_argument("--onnx", type=expanded, metavar="FILE", help="write the encoder of sequences, such as m.onnx")
    parser.add_argument(
        "--embeddings",
        type=expanded,
        metavar="FOLDER",
        help="write the items: embeddings.npy, and their ids in ids.json",
    )
    parser.add_argument("--model", metavar="ROLE", help="self, peer, or best (on validation); by default the file's")
    parser.add_argument("--trust_code", action="store_true", help="import the user's classes that the file names")


def run(options: argparse.Namespace) -> None:
    """Write the files.

    Raises:
        UserError: The model or an option cannot be used, a package is missing, or a file cannot be written.
    """
    if not options.onnx and not options.embeddings:
        raise UserError("nothing to write: give --onnx FILE, --embeddings FOLDER, or both")
    if options.onnx and options.onnx.suffix != ".onnx":
        raise ConfigError(f"--onnx = {str(options.onnx)!r} is not allowed: its name must end in .onnx")
    check_files(options.file)
    from recbole_mdcns.config.outputs import check_folder, check_writable

    if options.onnx:
        check_writable(options.onnx, "--onnx", replaces=Path.is_file)
    if options.embeddings and os.path.exists(options.embeddings):  # a new one is made when all else has gone well
        check_folder(str(options.embeddings), "--embeddings")
    _export(options)


def _export(options: argparse.Namespace) -> None:
    from recbole_mdcns.recommend import load
    from recbole_mdcns.recommend.embedding_files import write_embeddings
    from recbole_mdcns.recommend.onnx_model import export_onnx

    recommender = load(options.file, trust_code=options.trust_code)
    if options.onnx:
        print(f"{options.onnx}: {export_onnx(recommender, options.onnx, options.model)}")
    if options.embeddings:
        shape = write_embeddings(recommender, options.embeddings, options.model)
        print(f"{options.embeddings}: {shape[0]} items, embeddings of {shape[1]}")
