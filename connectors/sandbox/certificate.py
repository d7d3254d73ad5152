"""A private certificate authority and a server certificate for 127.0.0.1."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_VALID_FOR = timedelta(days=365)
# made anew when less than this is left, so that a long demo never outlives it
_RENEW_WITHIN = timedelta(days=7)


@dataclass(frozen=True)
class Certificate:
    """PEM files. ``ca_file`` is what a client must trust; the key stays with the server."""

    ca_file: Path
    cert_file: Path
    key_file: Path


def ensure_certificate(folder: Path, now: datetime | None = None) -> Certificate:
    """Return the certificate kept in ``folder``, made anew when missing or about to expire.

    The authority's own key is never written down: a renewed certificate comes
    with a new authority. ``now`` is UTC.
    """
    now = now or datetime.now(UTC)
    kept = Certificate(folder / "ca.pem", folder / "server.pem", folder / "server.key")
    if not _usable(kept, now):
        folder.mkdir(parents=True, exist_ok=True)
        _make(kept, now)
    return kept


def _usable(kept: Certificate, now: datetime) -> bool:
    if not (kept.ca_file.exists() and kept.cert_file.exists() and kept.key_file.exists()):
        return False
    try:
        authority = x509.load_pem_x509_certificate(kept.ca_file.read_bytes())
        server = x509.load_pem_x509_certificate(kept.cert_file.read_bytes())
        key = serialization.load_pem_private_key(kept.key_file.read_bytes(), password=None)
        server.verify_directly_issued_by(authority)
    except Exception:  # whatever is wrong with the files, new ones cure it
        return False
    fresh = now + _RENEW_WITHIN < min(
        server.not_valid_after_utc, authority.not_valid_after_utc
    ) and now >= max(server.not_valid_before_utc, authority.not_valid_before_utc)
    return fresh and key.public_key() == server.public_key()


def _make(kept: Certificate, now: datetime) -> None:
    authority_key = ec.generate_private_key(ec.SECP256R1())
    server_key = ec.generate_private_key(ec.SECP256R1())
    authority_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Koers sandbox CA")])

    def begin(name: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(authority_name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(minutes=5))
            .not_valid_after(now + _VALID_FOR)
            .add_extension(
                x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False
            )
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()),
                critical=False,
            )
        )

    authority = (
        begin(authority_name, authority_key)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(signs_certificates=True), critical=True)
        .sign(authority_key, hashes.SHA256())
    )
    server = (
        begin(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")]), server_key)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(
            x509.SubjectAlternativeName(
                [
                    x509.DNSName("localhost"),
                    x509.IPAddress(ipaddress.IPv4Address("127.0.0.1")),
                ]
            ),
            critical=False,
        )
        .sign(authority_key, hashes.SHA256())
    )
    kept.key_file.touch(mode=0o600)
    kept.key_file.write_bytes(
        server_key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    kept.cert_file.write_bytes(server.public_bytes(serialization.Encoding.PEM))
    kept.ca_file.write_bytes(authority.public_bytes(serialization.Encoding.PEM))


def _key_usage(signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )
