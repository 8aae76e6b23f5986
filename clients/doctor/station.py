"""Checks of a running daemon, by what it says of itself: lines, SIM, network, voice, messages, brains."""

from collections.abc import Callable, Iterator
from typing import Any

from clients.doctor.finding import Finding, ok, problem, skipped, warning

Ask = Callable[[str, dict[str, Any]], Any]
"""One request to the daemon: method, params. Raises dialtone.RpcError."""

WEAK_DBM = -105
LAST_CALLS = 5


def lines(status: dict[str, Any]) -> Iterator[Finding]:
    """Each line's state in a word, with what to do."""
    if not status["lines"]:
        yield problem("line", "No line is configured.", "Add a [line.sim] table to core.toml (docs/core.example.toml).")
    for line in status["lines"]:
        name, state, reason = line["name"], line["state"], line.get("reason")
        if state == "ready":
            yield ok(
                "line", f"{name} is ready ({line.get('model') or 'modem'}, {line.get('operator') or 'no operator'})"
            )
        else:
            yield problem(
                "line", f"{name} is {state}: {reason or 'no reason given'}", _line_advice(state, reason or "")
            )


def _line_advice(state: str, reason: str) -> str:
    if "PIN" in reason or "PUK" in reason:
        return 'dialtone modem unlock, or pin = "…" in the line\'s table.'
    if "SIM" in reason:
        return "Put the SIM in again, contacts first; another phone tells whether it works."
    if "program" in reason or "holds" in reason:
        return "Stop that program; docs/hardware.md has the udev rule for ModemManager."
    if state in ("offline", "reconnecting"):
        return "Check cable and power; dialtone modem history tells when it went."
    return "dialtone modem history tells what was tried."


def modem(ask: Ask, name: str) -> Iterator[Finding]:
    """SIM, network, signal, VoLTE, supply of one line."""
    found = ask("modem.status", {"line": name})
    if found.get("sim") not in ("READY", None):
        yield problem("sim", f"{name}: the SIM says {found['sim']}.", _line_advice("", f"SIM {found['sim']}"))
    yield from _network(name, found)
    if found.get("volte") is False:
        yield warning(
            "volte", f"{name}: no sign of VoLTE.",
            "Calls then need 2G or 3G, and start some seconds later. Ask your carrier; see docs/bringup.md.",
        )  # fmt: skip
    elif found.get("volte"):
        yield ok("volte", f"{name}: VoLTE is up.")
    volts = found.get("voltage_v")
    if volts is not None and volts < 3.4:
        yield warning("power.modem", f"{name}: the modem has {volts} V.", "Use a powered hub or a stronger supply.")


def _network(name: str, found: dict[str, Any]) -> Iterator[Finding]:
    registration = str(found.get("registration") or "unknown")
    if registration in ("home", "roaming"):
        yield ok(
            "network", f"{name}: registered ({registration}), {found.get('access_technology') or 'unknown radio'}."
        )
    else:
        yield problem(
            "network", f"{name}: the network says {registration}.",
            "Check antenna, contract and carrier (dialtone modem carrier).",
        )  # fmt: skip
    rssi = found.get("rssi_dbm")
    if rssi is not None and rssi < WEAK_DBM:
        yield warning("signal", f"{name}: {rssi} dBm is weak.", "Move the antenna to a window.")
    elif rssi is not None:
        yield ok("signal", f"{name}: {rssi} dBm.")


def audio(ask: Ask) -> Iterator[Finding]:
    """What the audio of the last calls was like."""
    calls = [call for call in ask("call.list", {"limit": LAST_CALLS})["calls"] if call.get("audio")]
    bad = [call for call in calls if call["audio"]["verdict"] != "healthy"]
    if not calls:
        yield skipped("audio", "No call with audio in the log yet: ring the line once.")
    elif bad:
        yield warning(
            "audio", f"{len(bad)} of the last {len(calls)} calls had bad audio ({bad[0]['audio']['verdict']}).",
            "Leave audio_reset on; a powered hub and newer firmware help.",
        )  # fmt: skip
    else:
        yield ok("audio", f"The last {len(calls)} calls had good audio.")


def messages(ask: Ask) -> Iterator[Finding]:
    """Service centre, room, messages that wait for a decision."""
    for queue in ask("sms.queue", {})["lines"]:
        name = queue["line"]
        if queue["smsc"] is None and queue["can_send"]:
            yield warning(
                "sms.centre", f"{name}: the SIM has no service centre.", "Give smsc with sms.send, or set it once."
            )
        if queue["unknown"]:
            yield warning(
                "sms.unknown", f"{name}: {queue['unknown']} messages may or may not have been sent.",
                "dialtone sms list --state unknown, then dialtone sms resolve.",
            )  # fmt: skip
        full = [memory["name"] for memory in queue["memories"] if memory["total"] and memory["used"] >= memory["total"]]
        if full:
            yield warning(
                "sms.memory",
                f"{name}: memory {', '.join(full)} is full.",
                "The core empties it; see its log if it stays so.",
            )


def notes(ask: Ask) -> Iterator[Finding]:
    """What is configured and not there, while something else stands in."""
    for note in ask("health", {}).get("notes", []):
        if note.startswith("net: "):
            continue  # net.backup and the alarms say it, and what to do
        yield warning("engine", f"{note}.", "docs/speech.md; dialtone models lists what can be fetched.")


def brains(status: dict[str, Any]) -> Finding:
    """Whether somebody decides what to say."""
    names = [client["name"] for client in status["clients"] if client.get("brain_priority") is not None]
    if names:
        return ok("brain", f"Brains: {', '.join(names)}.")
    return warning(
        "brain",
        "No brain is connected: calls are answered by greeting and fallback text only.",
        "README, A brain of your own.",
    )


def alarms(status: dict[str, Any]) -> Iterator[Finding]:
    for alarm in status["alarms"]:
        finding = warning if alarm.get("severity") in ("info", "warning") else problem
        docs = "docs/network.md" if alarm["alarm"].startswith("net_") else "docs/recovery.md"
        yield finding("alarm", f"{alarm['alarm']}: {alarm.get('text') or 'text hidden from this user'}", f"See {docs}.")
