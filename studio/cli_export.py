"""The options of every verb that writes sound files: format, rate, loudness, names, signature."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from studio.errors import StudioError
from studio.session.naming import DEFAULT_TEMPLATE, FIELDS

if TYPE_CHECKING:
    from studio.session.export_options import ExportOptions


def add_format_arguments(parser: Any) -> None:
    """Add ``--format --bits --rate --loudness --sign``."""
    parser.add_argument("--format", choices=("wav", "flac"), default="wav", help="file format (default: wav)")
    parser.add_argument("--bits", choices=("16", "24", "float"), default="16", help="sample format (default: 16)")
    parser.add_argument("--rate", type=int, metavar="HZ", help="sample rate (default: as rendered)")
    parser.add_argument(
        "--loudness", type=_lufs, metavar="LUFS", help="integrated loudness to aim for, such as -23 (BS.1770)"
    )
    parser.add_argument(
        "--sign",
        action="store_true",
        help="sign C2PA content credentials with the certificate that ESN_STUDIO_C2PA_CERTIFICATE and "
        "ESN_STUDIO_C2PA_KEY name, or the one chosen in the window",
    )


def add_name_arguments(parser: Any) -> None:
    """Add ``--name --no-sidecar``."""
    fields = ", ".join(f"{{{name}}}" for name in FIELDS)
    parser.add_argument(
        "--name",
        default=DEFAULT_TEMPLATE,
        metavar="TEMPLATE",
        help=f"file names, from {fields} (default: '{DEFAULT_TEMPLATE}')",
    )
    parser.add_argument("--no-sidecar", action="store_true", help="write no JSON file beside each sound file")


def export_options(args: argparse.Namespace) -> ExportOptions:
    """The options asked for. Raises StudioError when they do not go together, or nobody is set to sign."""
    from studio.session.credentials import load_identity
    from studio.session.export_options import SUBTYPES, ExportOptions

    identity = load_identity() if args.sign else None
    if args.sign and identity is None:
        raise StudioError(
            "There is no certificate to sign with: set ESN_STUDIO_C2PA_CERTIFICATE and ESN_STUDIO_C2PA_KEY to PEM "
            "files, or choose them in the window's export dialog."
        )
    return ExportOptions(
        container=args.format.upper(),
        subtype=SUBTYPES[args.bits],
        rate=args.rate,
        loudness=args.loudness,
        template=getattr(args, "name", DEFAULT_TEMPLATE),
        sidecar=not getattr(args, "no_sidecar", False),
        identity=identity,
    )


def _lufs(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"'{text}' is not a number of LUFS, such as -23") from None
