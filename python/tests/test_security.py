"""Encrypted connections, certificates of clients, and tokens."""

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
from authority import Authority

from server_process import SECONDS, ServerProcess, run
from shoots_client import ForbiddenError, ShootsClient, UnauthenticatedError, UnavailableError

SECRET = "a secret for tests that is long enough"
TABLE = pa.table({"n": [1, 2, 3]})


def token(*flags: str, secret: str = SECRET) -> str:
    done = run("token", *flags, settings={"SHOOTS_SECRET": secret})
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def encrypted(
    start_server: Callable[..., ServerProcess], authority: Authority, folder: Path, *flags: str
) -> ServerProcess:
    certificate, key = authority.sign(folder)
    settings = {"SHOOTS_SECRET": SECRET}
    return start_server("--cert-file", str(certificate), "--key-file", str(key), *flags, settings=settings)


def test_a_token_opens_what_it_allows(start_server: Callable[..., ServerProcess], tmp_path: Path) -> None:
    authority = Authority()
    server = encrypted(start_server, authority, tmp_path)
    ca = authority.certificate.decode()
    where = (server.host, server.port, True, ca)
    with ShootsClient(*where, token("--admin"), timeout=SECONDS) as admin:
        admin.put("frame", TABLE, bucket="one")
        admin.put("frame", TABLE, bucket="two")
        assert admin.get("frame", bucket="one", as_="arrow").equals(TABLE)
        assert "token='…'" in repr(admin)
    reader = ShootsClient.from_url(server.address, token=token("--read", "one"), root_cert=authority.certificate)
    with reader:
        assert reader.buckets() == ["one"]
        assert reader.sql("select sum(n) as n from one.frame", as_="arrow")["n"].to_pylist() == [6]
        with pytest.raises(PermissionError, match="two"):
            reader.get("frame", bucket="two")
        with pytest.raises(ForbiddenError, match="one"):
            reader.put("frame", TABLE, "append", "one")
        with pytest.raises(PermissionError):
            reader.sql("select * from two.frame")


def test_who_has_no_token_or_a_forged_one_is_told(start_server: Callable[..., ServerProcess], tmp_path: Path) -> None:
    authority = Authority()
    server = encrypted(start_server, authority, tmp_path)
    for shown in (None, token("--admin", secret="another secret that is long enough")):
        with (
            ShootsClient.from_url(server.address, token=shown, root_cert=authority.certificate) as stranger,
            pytest.raises(UnauthenticatedError),
        ):
            stranger.get("frame")


def test_a_server_of_another_authority_is_not_trusted(
    start_server: Callable[..., ServerProcess], tmp_path: Path
) -> None:
    server = encrypted(start_server, Authority(), tmp_path)
    certificate = tmp_path / "other.pem"
    certificate.write_bytes(Authority().certificate)
    with (
        ShootsClient.from_url(server.address, root_cert=certificate, token=token("--admin"), retries=0) as client,
        pytest.raises(UnavailableError, match="no server answers"),
    ):
        client.ping()


def test_a_client_shows_its_certificate(start_server: Callable[..., ServerProcess], tmp_path: Path) -> None:
    authority = Authority()
    ca = tmp_path / "ca.pem"
    ca.write_bytes(authority.certificate)
    server = encrypted(start_server, authority, tmp_path, "--client-ca-file", str(ca))
    certificate, key = authority.sign(tmp_path, "client")
    with ShootsClient.from_url(
        server.address, root_cert=ca, client_cert=certificate, client_key=key, token=token("--admin"), timeout=SECONDS
    ) as client:
        assert client.put("frame", TABLE)["rows"] == 3
    with (
        ShootsClient.from_url(server.address, root_cert=ca, token=token("--admin"), retries=0, timeout=10) as nobody,
        pytest.raises(UnavailableError),
    ):
        nobody.ping()
