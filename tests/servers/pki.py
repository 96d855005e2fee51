"""A certificate authority with a host, a user and the user's proxy, as grid sites have; made by openssl."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

from needs import need

ORGANISATION = "/DC=org/DC=dodastest"
CA_NAME = f"{ORGANISATION}/CN=Test CA"

_EXTENSIONS = """
[ca]
basicConstraints = critical,CA:true
keyUsage = critical,keyCertSign,cRLSign
subjectKeyIdentifier = hash
[host]
basicConstraints = critical,CA:false
keyUsage = critical,digitalSignature,keyEncipherment
extendedKeyUsage = serverAuth,clientAuth
authorityKeyIdentifier = keyid
subjectAltName = DNS:localhost,IP:127.0.0.1,IP:172.31.77.1
[user]
basicConstraints = critical,CA:false
keyUsage = critical,digitalSignature,keyEncipherment
extendedKeyUsage = clientAuth
authorityKeyIdentifier = keyid
[proxy]
keyUsage = critical,digitalSignature,keyEncipherment
proxyCertInfo = critical,language:id-ppl-inheritAll
[req]
distinguished_name = none
[none]
[authority]
database = index
default_md = sha256
default_crl_days = 2
default_days = 2
policy = any
crlnumber = crlnumber
serial = serial
new_certs_dir = .
[any]
domainComponent = optional
commonName = supplied
"""


@dataclass(frozen=True, kw_only=True)
class Pki:
    """Files of a certificate authority; keys can be read by their owner only."""

    folder: Path

    @property
    def ca(self) -> Path:
        """The certificate of the authority."""
        return self.folder / "ca.pem"

    @property
    def directory(self) -> Path:
        """The authority as grid sites install it: hashed names, a revocation list, a signing policy."""
        return self.folder / "certificates"

    @property
    def bundle(self) -> Path:
        """What the system trusts, and this authority."""
        return self.folder / "bundle.pem"

    @property
    def host(self) -> Path:
        """The certificate of ``localhost`` and 127.0.0.1, and of what :mod:`im_hosts` call this machine."""
        return self.folder / "host.pem"

    @property
    def host_key(self) -> Path:
        """Its key."""
        return self.folder / "host.key"

    @property
    def user(self) -> Path:
        """The certificate of a user."""
        return self.folder / "user.pem"

    @property
    def user_key(self) -> Path:
        """Its key."""
        return self.folder / "user.key"

    @property
    def proxy(self) -> Path:
        """An RFC 3820 proxy of the user: certificate, key, and the user's certificate."""
        return self.folder / "proxy.pem"

    @property
    def old_proxy(self) -> Path:
        """Another one, whose time is over."""
        return self.folder / "old_proxy.pem"


def make_pki(folder: Path) -> Pki:
    """Make all of it in ``folder``, which is made too."""
    pki = Pki(folder=folder)
    pki.directory.mkdir(parents=True)
    (folder / "openssl.cnf").write_text(_EXTENSIONS)
    for name, content in {"index": "", "index.attr": "unique_subject = no\n", "crlnumber": "01\n"}.items():
        (folder / name).write_text(content)
    _request(pki, "ca", CA_NAME, "-x509", "-days", "2", "-extensions", "ca", "-out", "ca.pem")
    _sign(pki, "host", f"{ORGANISATION}/CN=localhost", by="ca")
    _sign(pki, "user", f"{ORGANISATION}/CN=Alice", by="ca")
    for name, times in {
        "proxy": (),
        "old_proxy": ("-startdate", "200101000000Z", "-enddate", "200102000000Z"),
    }.items():
        _sign(pki, name, f"{ORGANISATION}/CN=Alice/CN=271828", *times, by="user", extensions="proxy")
        _join(folder / f"{name}.pem", folder / f"{name}.pem", folder / f"{name}.key", pki.user)
    _install(pki)
    _join(
        pki.bundle, *(file for file in [Path("/etc/ssl/certs/ca-certificates.crt")] if file.exists()), pki.ca
    )
    return pki


def _openssl(pki: Pki, *words: str) -> str:
    command = [need("openssl"), *words]
    done = subprocess.run(command, cwd=pki.folder, text=True, capture_output=True, check=False)
    assert done.returncode == 0, f"{command}: {done.stderr}"
    return done.stdout.strip()


def _request(pki: Pki, name: str, subject: str, *words: str) -> None:
    """Make a key, and what ``words`` say of it."""
    new = ("-newkey", "rsa:2048", "-nodes", "-keyout", f"{name}.key", "-subj", subject)
    _openssl(pki, "req", "-new", "-config", "openssl.cnf", *new, *words)
    (pki.folder / f"{name}.key").chmod(0o400)


def _sign(pki: Pki, name: str, subject: str, *times: str, by: str, extensions: str = "") -> None:
    """Make a key, and a certificate of it that is signed with the key ``by``."""
    _request(pki, name, subject, "-out", f"{name}.csr")
    signer = ("-cert", f"{by}.pem", "-keyfile", f"{by}.key", "-rand_serial", "-preserveDN")
    what = ("-in", f"{name}.csr", "-out", f"{name}.pem", "-extensions", extensions or name)
    authority = ("-config", "openssl.cnf", "-name", "authority", "-batch", "-notext")
    _openssl(pki, "ca", *authority, *signer, *what, *times)


def _join(target: Path, *parts: Path) -> None:
    """Write the texts of ``parts``, one after the other, into a file for its owner only."""
    text = "".join(part.read_text() for part in parts)
    target.touch(mode=0o600)
    target.chmod(0o600)
    target.write_text(text)


def _install(pki: Pki) -> None:
    """Put the authority into its directory, under the hashes of old and new OpenSSL."""
    _openssl(
        pki, "ca", "-config", "openssl.cnf", "-name", "authority", "-gencrl",
        "-cert", "ca.pem", "-keyfile", "ca.key", "-out", "crl.pem",
    )  # fmt: skip
    policy = (
        f"access_id_CA X509 '{CA_NAME}'\npos_rights globus CA:sign\n"
        f"cond_subjects globus '\"{ORGANISATION}/*\"'\n"
    )
    for option in ("-hash", "-subject_hash_old"):
        name = _openssl(pki, "x509", "-in", "ca.pem", "-noout", option)
        (pki.directory / f"{name}.0").write_bytes(pki.ca.read_bytes())
        (pki.directory / f"{name}.r0").write_bytes((pki.folder / "crl.pem").read_bytes())
        (pki.directory / f"{name}.signing_policy").write_text(policy)
