"""A certificate authority for one test."""

import datetime
import ipaddress
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_SIGNS_CERTIFICATES = x509.KeyUsage(
    digital_signature=False, content_commitment=False, key_encipherment=False, data_encipherment=False,
    key_agreement=False, key_cert_sign=True, crl_sign=True, encipher_only=False, decipher_only=False,
)  # fmt: skip


@dataclass(frozen=True)
class Identity:
    """Files in PEM form."""

    certificate: Path
    key: Path


class CertificateAuthority:
    """Signs certificates for `names` (host names or addresses); keeps all files in `directory`."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Test CA")])
        builder = self._builder(self._name, self._key).add_extension(x509.BasicConstraints(True, None), True)
        builder = builder.add_extension(_SIGNS_CERTIFICATES, True)
        self.certificate = directory / "ca.pem"
        self._write(self.certificate, builder.sign(self._key, hashes.SHA256()))

    def issue(self, *names: str) -> Identity:
        """A certificate and its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
        alternatives = x509.SubjectAlternativeName([_general_name(name) for name in names])
        certificate = self._builder(subject, key).add_extension(alternatives, False)
        identity = Identity(self._directory / f"{names[0]}.pem", self._directory / f"{names[0]}.key")
        self._write(identity.certificate, certificate.sign(self._key, hashes.SHA256()))
        identity.key.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        return identity

    def _builder(self, subject: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
        now = datetime.datetime.now(datetime.UTC)
        public, issuer = key.public_key(), x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        return x509.CertificateBuilder(
            issuer_name=self._name,
            subject_name=subject,
            public_key=public,
            serial_number=x509.random_serial_number(),
            not_valid_before=now - datetime.timedelta(hours=1),
            not_valid_after=now + datetime.timedelta(days=1),
            extensions=[  # wanted since Python 3.13 (RFC 5280, sections 4.2.1.1 and 4.2.1.2)
                x509.Extension(x509.SubjectKeyIdentifier.oid, False, x509.SubjectKeyIdentifier.from_public_key(public)),
                x509.Extension(x509.AuthorityKeyIdentifier.oid, False, issuer),
            ],
        )

    @staticmethod
    def _write(path: Path, certificate: x509.Certificate) -> None:
        path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
