"""What the types of core.toml can't say: values that contradict each other."""

import re
from ipaddress import AddressValueError, IPv4Address
from typing import Any

from core.config.line import CallConfig
from core.config.media import MediaConfig
from core.config.root import Config
from core.config.table import ConfigError


def _check_media(media: MediaConfig, given: dict[str, Any], source: str) -> None:
    """Thresholds that contradict each other. Defaults that the file does not name bend instead (core/hearing.py)."""
    problem = None
    if media.end_silence_ms <= media.chunk_silence_ms:
        problem = "end_silence_ms must be more than media.chunk_silence_ms"
    elif "end_silence_complete_ms" in given and media.end_silence_complete_ms <= media.chunk_silence_ms:
        problem = "end_silence_complete_ms must be more than media.chunk_silence_ms: before that no words are known"
    elif "end_silence_complete_ms" in given and media.end_silence_complete_ms > media.end_silence_ms:
        problem = "end_silence_complete_ms must not be more than media.end_silence_ms"
    elif "end_silence_number_ms" in given and media.end_silence_number_ms < media.end_silence_ms:
        problem = "end_silence_number_ms must not be less than media.end_silence_ms"
    elif media.vad_model is not None and media.vad == "webrtc":
        problem = 'vad_model is for media.vad = "silero" or "ten": webrtc has no model file'
    if problem is not None:
        raise ConfigError(f"{source}: media.{problem}")


def _check_call(call: CallConfig, source: str) -> None:
    if call.answer_after_rings == -1 and call.voicemail in ("always", "after_s"):
        raise ConfigError(f"{source}: call.voicemail: answer_after_rings = -1 rejects every call before it gets there")


def _check_net(config: Config, source: str) -> None:
    net = config.net
    problem = None
    if net.line is not None and net.line not in config.line:
        problem = f"line names {net.line!r}, which has no [line] table"
    elif net.interface is not None and net.interface == net.primary:
        problem = f"interface and primary are both {net.interface!r}: one is the modem's, the other the main link's"
    elif net.mode == "on" and net.bearer == "none":
        problem = 'mode = "on" keeps the SIM\'s data in use, and bearer = "none" says that there is none'
    elif not net.retry_s:
        problem = "retry_s must have at least one pause"
    elif not net.vpn.retry_s:
        problem = "vpn.retry_s must have at least one pause"
    elif not net.ping and not net.http_url:
        problem = "ping and http_url are both empty: nothing could be asked whether the internet is there"
    elif wrong := [address for address in (*net.ping, net.vpn.ping or "0.0.0.0") if not _is_address(address)]:
        problem = f"ping: {wrong[0]!r} is no IPv4 address"
    elif net.vpn.endpoint is not None and not 1 <= int(net.vpn.endpoint.rpartition(":")[2]) <= 65535:
        problem = "vpn.endpoint: there is no such port"
    elif net.bearer == "ppp" and net.ppp_port is None and net.enabled and not config.line:
        problem = 'bearer = "ppp" needs ppp_port where there is no line'
    if problem is not None:
        raise ConfigError(f"{source}: net.{problem}")


def _is_address(text: str) -> bool:
    """Without zeros before a number: what they mean depends on who reads it."""
    try:
        IPv4Address(text)
    except AddressValueError:
        return False
    return True


def check(config: Config, raw: dict[str, Any], source: str) -> None:
    _check_media(config.media, raw.get("media") or {}, source)
    _check_call(config.call, source)
    _check_net(config, source)
    if config.call.default_line is not None and config.call.default_line not in config.line:
        raise ConfigError(f"{source}: call.default_line names {config.call.default_line!r}, which has no [line] table")
    for name, line in config.line.items():
        if not re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,30}", name):
            raise ConfigError(f"{source}: line.{name}: use small letters, digits, - and _ in a line's name")
        ports = (line.at_port, line.voice_port, line.pcm_port)
        if line.ports_dir is None and any(ports) and None in ports:
            raise ConfigError(f"{source}: line.{name}: give all of at_port, voice_port and pcm_port")
        if (line.usb_path or line.usb_serial) and (line.ports_dir or any(ports)):
            raise ConfigError(f"{source}: line.{name}: usb_path and usb_serial stand in place of ports")
        if line.ports_dir is not None and any(ports):
            raise ConfigError(f"{source}: line.{name}.ports_dir: stands in place of at_port, voice_port and pcm_port")
