"""bridge.toml and the command."""

import asyncio
import re
import sys
import tomllib
from pathlib import Path

import msgspec
import pytest

from clients.bridge.settings import Settings, WebhookTable, parse_settings, read_settings
from clients.settings_file import SettingsError

EXAMPLE = Path(__file__).parents[3] / "docs/bridge.example.toml"


async def run(*words: str) -> tuple[int | None, str, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "clients.cli.main", "bridge", *words,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    async with asyncio.timeout(40):
        out, err = await process.communicate()
    return process.returncode, out.decode(), err.decode()


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("[vps]\ntranscribe = 1\n", "transcribe"),
        ('[vps]\ntranscribe_url = "ftp://x/"\n', "vps.transcribe_url"),
        ('[vps]\nca_file = "x"\nverify_tls = false\n', "ca_file"),
        ("[brain]\nmax_silence_s = 0\n", "brain.max_silence_s"),
        ('[brain.texts.en]\nhello = "x"\n', "hello"),
        ('[[webhook]]\nname = "a"\nurl = "http://x/"\n[[webhook]]\nname = "a"\nurl = "http://y/"\n', "webhook"),
        ("[vps\n", "line 1"),
    ],
)
async def test_a_wrong_key_ends_it_with_one_line(tmp_path: Path, text: str, key: str) -> None:
    path = tmp_path / "bridge.toml"
    path.write_text(text)
    with pytest.raises(SettingsError) as refused:
        read_settings(path)
    assert str(refused.value).startswith(f"{path}: ") and key in str(refused.value)
    assert "\n" not in str(refused.value)


async def test_the_command_says_so_and_checks(tmp_path: Path) -> None:
    path = tmp_path / "bridge.toml"
    path.write_text("[vps]\nnope = 1\n")
    code, _, err = await run("--config", str(path))
    assert code == 2 and "nope" in err and "Traceback" not in err
    path.write_text("")
    assert await run("--config", str(path), "--check") == (0, "ok\n", "")
    code, _, err = await run("--config", str(path))
    assert code == 2 and "docs/bridge.md" in err


def test_secrets_are_in_no_repr() -> None:
    raw = {"vps": {"token": "s3cret"}, "email": {"password": "s3cret"}, "webhook": [{"name": "a", "url": "http://x/"}]}
    assert "s3cret" not in repr(parse_settings(raw, "x"))


def test_the_example_lists_every_key_with_its_default_or_an_example() -> None:
    text = EXAMPLE.read_text(encoding="utf-8")
    live = tomllib.loads(text)
    assert parse_settings(live, "example") == Settings(), "what is not commented out is the default"
    everything = tomllib.loads(re.sub(r"^# (?=\[|[a-z_]+ = )", "", text, flags=re.MULTILINE))
    parse_settings(everything, "example")
    for field in msgspec.structs.fields(Settings):
        table = WebhookTable if field.name == "webhook" else field.type
        given = everything[field.encode_name]
        if isinstance(table, type) and issubclass(table, msgspec.Struct):
            keys = {one.encode_name for one in msgspec.structs.fields(table)}
            assert keys == set(given[0] if isinstance(given, list) else given), field.name
