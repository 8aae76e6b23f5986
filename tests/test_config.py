"""core.toml: typed, complete, and clear about what is wrong."""

import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from core import config

ROOT = Path(__file__).parent.parent
EXAMPLE = ROOT / "docs/core.example.toml"


def test_the_example_loads_and_says_the_defaults() -> None:
    example = config.load(EXAMPLE)
    empty = config.parse({}, "empty")
    for table in config.Config.__struct_fields__:
        if table not in ("line", "rpc"):
            assert getattr(example, table) == getattr(empty, table), table
    line = config.LineConfig(ports_dir="x")
    shown = example.line["sim"]
    for key in ("baud", "audio_window_s", "audio_delay_s", "poll_s", "lost_after_s"):
        assert getattr(shown, key) == getattr(line, key)


def test_the_example_shows_every_table_and_key() -> None:
    text = EXAMPLE.read_text()
    for table, kind in config.Config.__annotations__.items():
        assert f"[{table}" in text, table
        struct = {"line": config.LineConfig}.get(table, kind)
        for key in getattr(struct, "__struct_fields__", ()):
            if key not in ("socket", "ports_dir", "threshold", "ring_timeout_s"):
                assert f"{key} =" in text or f"[{table}.{key}]" in text, f"{table}.{key}"


@pytest.mark.parametrize(
    ("toml", "told"),
    [
        ("[call]\nanswer = 1", "call.answer: unknown key"),
        ("[calls]\nx = 1", "calls: unknown key"),
        ("[call]\ngreeting = 1", "call.greeting: Expected `str | null`, got `int`"),
        ("[line.sim]\nports_dir = '/x'\npoll_s = 'a'", "line.sim.poll_s: Expected `float`, got `str`"),
        ('[line.sim]\nat_port = "/dev/x"', "line.sim: give all of"),
        ("[line.sim]\nports_dir = '/x'\nat_port = '/y'", "line.sim.ports_dir"),
        ("[line.'Sim Card']\nports_dir = '/x'", "line.Sim Card: use small letters"),
        ("[media]\nend_silence_ms = 500", "media.end_silence_ms must be more"),
        ("[media]\nend_silence_complete_ms = 550", "media.end_silence_complete_ms must be more than"),
        ("[media]\nend_silence_complete_ms = 900", "media.end_silence_complete_ms must not be more"),
        ("[media]\nend_silence_number_ms = 700", "media.end_silence_number_ms must not be less"),
        ("[media]\nvad_model = 'x.onnx'", "media.vad_model is for"),
        ("[media]\nvad = 'loud'", "media.vad: Invalid enum value 'loud'"),
        ("[media]\nvad_threshold = 1.5", "media.vad_threshold: Expected `float` < 1"),
        ("[call]\ndefault_line = 'b'", "call.default_line"),
        ("[call]\nanswer_after_rings = 11", "call.answer_after_rings: Expected `int` <= 10"),
        ("[[rpc.socket]]\npath = '/x'\nframing = 'xml'", "rpc.socket[0].framing"),
        ("[guard]\ndeny = ['+4490*', 'Bob']", "guard.deny[1]: Expected `str` matching regex"),
        ("[guard]\nregion = 'gb'", "guard.region: Expected `str` matching regex"),
        ("[call]\nanswer_after_rings = -1\nvoicemail = 'after_s'", "call.voicemail: answer_after_rings = -1 rejects"),
        ("[net]\nline = 'b'", "net.line names 'b', which has no [line] table"),
        ("[net]\nretry_s = []", "net.retry_s must have at least one pause"),
        ("[net.vpn]\nretry_s = []", "net.vpn.retry_s must have at least one pause"),
        ("[net]\nping = []\nhttp_url = ''", "net.ping and http_url are both empty"),
        ("[net]\nping = ['8.8.8.256']", "net.ping: '8.8.8.256' is no IPv4 address"),
        ("[net]\nping = ['08.8.8.8']", "net.ping: '08.8.8.8' is no IPv4 address"),
        ("[net]\ninterface = 'eth0'\nprimary = 'eth0'", "net.interface and primary are both 'eth0'"),
        ("[net.vpn]\nendpoint = 'vps.example.org:70000'", "net.vpn.endpoint: there is no such port"),
        ("[net]\nmode = 'on'\nbearer = 'none'", 'net.mode = "on" keeps'),
        ("[net]\nbearer = 'satellite'", "net.bearer: Invalid enum value"),
        ("[net]\nmetric = 100", "net.metric: Expected `int` <= 59"),
        ("[call", "Expected"),
    ],
)
def test_what_is_wrong_is_told_in_one_line_with_file_and_key(tmp_path: Path, toml: str, told: str) -> None:
    path = tmp_path / "core.toml"
    path.write_text(toml)
    with pytest.raises(config.ConfigError) as problem:
        config.load(path)
    text = str(problem.value)
    assert text.startswith(f"{path}: ") and told in text and "\n" not in text


@pytest.mark.parametrize("content", [None, b"\xff\xfe", "a folder"])
def test_an_unreadable_file_ends_the_program_with_2(tmp_path: Path, content: bytes | str | None) -> None:
    path = tmp_path / "core.toml"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content:
        path.mkdir()
    done = subprocess.run(
        [sys.executable, "-m", "core", "--config", str(path)], capture_output=True, text=True, timeout=50, cwd=ROOT
    )
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1 and str(path) in done.stderr


def test_the_paths_follow_the_user_and_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setenv("XDG_CONFIG_HOME", "/c")
    monkeypatch.setenv("XDG_STATE_HOME", "/s")
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/r")
    monkeypatch.delenv("DIALTONE_SOCKET", raising=False)
    assert str(config.default_config_path()) == "/c/dialtone/core.toml"
    assert str(config.state_dir()) == "/s/dialtone"
    assert str(config.default_socket_path()) == "/r/dialtone/core.sock"
    monkeypatch.setenv("DIALTONE_SOCKET", "/named")
    assert str(config.default_socket_path()) == "/named"


def test_a_socket_named_on_the_command_line_stands_in_place_of_the_first() -> None:
    table = {"rpc": {"socket": [{"path": "/a", "mode": "0600"}, {"path": "/b"}]}}
    changed = config.with_socket(config.parse(table, "x"), "/c")
    assert [(s.path, s.mode) for s in changed.rpc.socket] == [("/c", "0600"), ("/b", "0660")]
    assert [s.path for s in config.with_socket(config.parse({}, "x"), "/c").rpc.socket] == ["/c"]


def test_the_tables_are_those_of_the_design_and_no_others() -> None:
    tables = "access call guard line log media net recording rpc sms store stt tts"
    assert " ".join(sorted(config.Config.__struct_fields__)) == tables
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"http": {}}, config.Config)
