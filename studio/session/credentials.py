"""C2PA content credentials: a signed statement inside a sound file that a model made it (package ``c2pa-python``).

A certificate chain and its key, both PEM files of the user's own, are named by environment variables or by
``credentials.json`` in the user's data folder. Nothing is fetched or sent: no timestamps, no remote manifests.
"""

from __future__ import annotations

import importlib.util
import io
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import studio
from studio.atomic import reason, write_json
from studio.errors import StudioError
from studio.judges.optional import require
from studio.paths import user_data_dir

CERTIFICATE_VARIABLE = "ESN_STUDIO_C2PA_CERTIFICATE"
KEY_VARIABLE = "ESN_STUDIO_C2PA_KEY"
MIME_TYPES: Mapping[str, str] = {"WAV": "audio/wav", "FLAC": "audio/flac"}

SYNTHETIC = "trainedAlgorithmicMedia"
PARTLY_SYNTHETIC = "compositeWithTrainedAlgorithmicMedia"
COMPOSITE = "composite"
"""IPTC digital source types: made by a model; made by a model out of a recording; put together from anything."""

_FORMAT_VERSION = 1
_SOURCE_TYPES = "http://cv.iptc.org/newscodes/digitalsourcetype/"
_CURVES = {"secp256r1": "es256", "secp384r1": "es384", "secp521r1": "es512"}
# Nothing goes over the network; whom to trust is left to the reader, for no list of signers ships.
_VERIFY = {"remote_manifest_fetch": False, "ocsp_fetch": False, "verify_trust": False}


@dataclass(frozen=True)
class Identity:
    """Who signs: PEM files of the certificate chain (the signer's own first) and of its unencrypted private key."""

    certificate: Path
    key: Path


@dataclass(frozen=True)
class Manifest:
    """Content credentials found in a file.

    ``intact`` says whether signature and hashes hold; ``signer`` is what the certificate names, ``source_types`` the
    IPTC digital source types of the recorded actions. ``problems`` are the codes of what does not hold, ``doubts``
    those of what is wrong with the certificate, such as that it has expired since.
    """

    intact: bool
    signer: str
    source_types: tuple[str, ...]
    problems: tuple[str, ...]
    doubts: tuple[str, ...]


def missing_package() -> str | None:
    """Why nothing can be signed on this machine, in a sentence; None when it can."""
    if importlib.util.find_spec("c2pa") is not None:
        return None
    return "Content credentials need a package that is not installed: pip install 'esn-studio[c2pa]'"


def settings_file() -> Path:
    """Where the identity is kept."""
    return user_data_dir() / "credentials.json"


def load_identity() -> Identity | None:
    """The identity set by environment variables, else by ``settings_file``; None when neither names one.

    Raises StudioError when only half of it is set or the file is damaged.
    """
    certificate, key = os.environ.get(CERTIFICATE_VARIABLE), os.environ.get(KEY_VARIABLE)
    if certificate and key:
        return Identity(Path(certificate).expanduser(), Path(key).expanduser())
    if certificate or key:
        missing = KEY_VARIABLE if certificate else CERTIFICATE_VARIABLE
        raise StudioError(f"Content credentials need a certificate and a key: set {missing} as well.")
    path = settings_file()
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        if document["format"] != _FORMAT_VERSION:
            raise StudioError(f"'{path}' was written by a newer version of the studio; update it, or remove the file.")
        return Identity(Path(document["certificate"]), Path(document["key"]))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StudioError(f"'{path}' cannot be read: {reason(error)}.") from error
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise StudioError(f"'{path}' is damaged; remove it and choose the certificate again.") from error


def save_identity(identity: Identity) -> None:
    """Keep where certificate and key lie (not what is in them). Raises StudioError when that cannot be written."""
    paths = {"certificate": str(identity.certificate), "key": str(identity.key)}
    write_json(settings_file(), {"format": _FORMAT_VERSION, **paths})


def sign(
    encoded: bytes, container: str, title: str, about: Mapping[str, Any], source_type: str, who: Identity
) -> bytes:
    """The bytes of a ``WAV`` or ``FLAC`` file with signed credentials that say what made the sound.

    ``about`` is a JSON object kept in the statement, ``source_type`` one of the source types above. FLAC carries the
    credentials in an ID3 tag ahead of the stream, which most players pass over.
    Raises StudioError when the package, certificate or key is missing or not usable.
    """
    c2pa = require("c2pa", "Signing content credentials", "'esn-studio[c2pa]'")
    chain, key = _read(who.certificate, "certificate"), _read(who.key, "key")
    mime = MIME_TYPES[container]
    agent = {"name": "ESN Studio", "version": studio.__version__}
    action = {"action": "c2pa.created", "digitalSourceType": _SOURCE_TYPES + source_type, "softwareAgent": agent}
    definition = {
        "claim_generator_info": [agent],
        "title": title,
        "format": mime,
        "assertions": [
            {"label": "c2pa.actions.v2", "data": {"actions": [action]}},
            {"label": "esn-studio.render", "data": dict(about)},
        ],
    }
    info = c2pa.C2paSignerInfo(_algorithm(who, chain, key), chain, key, None)
    signed = io.BytesIO()
    try:
        with (
            _context(c2pa) as context,
            c2pa.Signer.from_info(info) as signer,
            c2pa.Builder(definition, context) as builder,
        ):
            builder.sign(signer, mime, io.BytesIO(encoded), signed)
    except c2pa.C2paError as error:
        raise StudioError(
            f"'{title}' could not be signed with '{who.certificate.name}' ({_first_line(error)}); choose a certificate "
            "for signing content, with its chain, that has not expired."
        ) from error
    return signed.getvalue()


def read_manifest(path: Path, container: str) -> Manifest | None:
    """The content credentials in a ``WAV`` or ``FLAC`` file; None when it carries none.

    Whether the signer is to be trusted is not judged: there is no list of trusted signers here. Raises StudioError
    when the package is missing, the file cannot be read, or the credentials are damaged beyond reading.
    """
    c2pa = require("c2pa", "Reading content credentials", "'esn-studio[c2pa]'")
    try:
        with path.open("rb") as stream, _context(c2pa) as context:
            reader = c2pa.Reader.try_create(MIME_TYPES[container], stream, context=context)
            if reader is None:
                return None
            with reader:
                return _manifest(reader)
    except OSError as error:
        raise StudioError(f"'{path}' cannot be read: {reason(error)}.") from error
    except (c2pa.C2paError, LookupError, TypeError, ValueError, AttributeError) as error:
        # Damaged in such a way that what is read is no manifest.
        raise StudioError(f"The content credentials in '{path.name}' cannot be read ({_first_line(error)}).") from error


def _manifest(reader: Any) -> Manifest:
    active = reader.get_active_manifest() or {}
    results = (reader.get_validation_results() or {}).get("activeManifest") or {}
    signature = active.get("signature_info") or {}
    actions = [
        action
        for assertion in active.get("assertions") or ()
        if str(assertion.get("label", "")).startswith("c2pa.actions")
        for action in assertion["data"].get("actions") or ()
    ]
    types = (str(action["digitalSourceType"]) for action in actions if "digitalSourceType" in action)
    codes = sorted({str(failure.get("code")) for failure in results.get("failure") or ()})
    doubts = tuple(code for code in codes if code.startswith("signingCredential."))
    problems = tuple(code for code in codes if code not in doubts)
    valid = reader.get_validation_state() in ("Valid", "Trusted")
    return Manifest(
        # Without a time stamp a certificate that runs out makes everything it signed invalid; the file is as it was.
        intact=valid or (bool(doubts) and not problems),
        signer=", ".join(str(signature[part]) for part in ("common_name", "issuer") if signature.get(part)),
        source_types=tuple(each.rsplit("/", 1)[-1] for each in types),
        problems=problems,
        doubts=doubts,
    )


def _context(c2pa: Any) -> Any:
    with c2pa.Settings.from_dict({"version": 1, "verify": _VERIFY}) as settings:
        return c2pa.Context(settings)


def _algorithm(who: Identity, chain: bytes, key: bytes) -> str:
    """The signature algorithm for a key, after a look whether certificate and key belong together."""
    from cryptography import x509
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        certificate = x509.load_pem_x509_certificates(chain)[0]
    except (ValueError, IndexError) as error:
        raise StudioError(f"'{who.certificate}' is not a certificate in PEM form; choose another file.") from error
    try:
        private = load_pem_private_key(key, password=None)
    except TypeError as error:
        raise StudioError(f"The key '{who.key}' is protected by a passphrase; signing takes an open one.") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise StudioError(f"'{who.key}' is not a private key in PEM form; choose another file.") from error
    if private.public_key() != certificate.public_key():
        raise StudioError(f"The key '{who.key.name}' does not belong to the certificate '{who.certificate.name}'.")
    if isinstance(private, ec.EllipticCurvePrivateKey) and private.curve.name in _CURVES:
        return _CURVES[private.curve.name]
    if isinstance(private, rsa.RSAPrivateKey):
        return "ps256"
    if isinstance(private, ed25519.Ed25519PrivateKey):
        return "ed25519"
    raise StudioError(f"The key '{who.key.name}' is of a kind content credentials do not take; use ES256 or Ed25519.")


def _read(path: Path, what: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise StudioError(f"The {what} '{path}' for content credentials cannot be read: {reason(error)}.") from error


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
