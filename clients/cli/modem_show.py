"""How dialtone modem shows what it was told."""

from typing import Any

from clients.cli.output import print_table, printable, show

Json = dict[str, Any]

SECTIONS = (
    ("Modem", ("state", "reason", "manufacturer", "model", "revision", "imei", "voltage_v", "temperature_c", "audio",
               "resets_last_hour", "usb_path", "composition", "ports", "asked_at")),
    ("SIM", ("sim", "pin_tries_left", "imsi", "iccid", "carrier", "smsc", "memories")),
    ("Network", ("operator", "mcc_mnc", "registration", "creg", "cgreg", "cereg", "access_technology", "band", "area",
                 "cell", "rssi_dbm", "signal_percent", "rsrp_dbm", "rsrq_db", "sinr_db", "volte", "network_time")),
)  # fmt: skip
CONTEXT_COLUMNS = ("cid", "kind", "apn", "active", "address")
HISTORY_COLUMNS = ("at", "line", "event", "state", "reason", "duration_s")
HIDDEN = "(admin only)"


def print_status(found: Json) -> None:
    redacted = found.get("redacted") or []
    for title, names in SECTIONS:
        rows = [(name, HIDDEN if name in redacted else _cell(name, found.get(name))) for name in names]
        print_table(f"{title} of line {show(found.get('line'))}", ("field", "value"), rows)
    contexts = found.get("contexts") or []
    if contexts:
        cells = [[one.get(column) for column in CONTEXT_COLUMNS] for one in contexts]
        print_table("Packet data contexts", CONTEXT_COLUMNS, cells)
    if found.get("asked_at") is None:
        print("The modem could not be asked; what only it knows is missing.")


def print_signal(found: Json) -> None:
    print_table(f"Signal of line {show(found.get('line'))}", ("field", "value"), _rows(found))


def print_carrier(found: Json) -> None:
    print_table(f"Carrier of line {show(found.get('line'))}", ("field", "value"), _rows(found))


def print_history(found: Json) -> None:
    facts = found.get("facts") or []
    if not facts:
        print("Nothing has happened to a modem yet.")
        return
    rows = [
        [fact.get("at"), fact.get("line"), _event(fact), fact.get("state"), fact.get("reason"),
         fact.get("duration_s")]
        for fact in facts
    ]  # fmt: skip
    print_table("History", HISTORY_COLUMNS, rows)


def print_done(found: Json) -> None:
    print(f"ok, line {show(found.get('line'))}" + (f": SIM {show(found['sim'])}" if found.get("sim") else ""))


def print_at(found: Json) -> None:
    for line in (*found["lines"], found["final"]):
        print(printable(line))


def _rows(found: Json) -> list[tuple[str, object]]:
    return [(name, value) for name, value in found.items() if name != "line"]


def _event(fact: Json) -> str:
    topic = str(fact.get("topic", "")).removeprefix("modem.")
    return f"{topic} {fact['rung']}" if fact.get("rung") else topic


def _cell(name: str, value: Any) -> object:
    match name:
        case "ports" if value:
            return ", ".join(f"{role} {path}" for role, path in value.items())
        case "memories" if value:
            return ", ".join(f"{one['name']} {one['used']} of {one['total']}" for one in value)
        case "carrier" if value:
            return f"{value['name'] or 'unknown'} ({value['mcc_mnc']})"
        case "voltage_v" if value is not None:
            return f"{value:.3f}"
        case "ports" | "memories" | "carrier":
            return None
        case _:
            return value
