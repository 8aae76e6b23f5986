"""`dialtone emulator`, and `python -m core.modem.emulator`: a modem, a network and a caller without hardware."""

import argparse
import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from core.log import start_logging
from core.modem.emulator.options import IMEI, Options

_SOCKET_PATH_BYTES = 106
"""Of sockaddr_un, unix(7), with the ~ of the name that it is born under."""


class EmulatorCommand:
    """The subcommand as the `dialtone` command line expects it."""

    help = "a SIM7600 or EC25 without hardware: ports, network, a talking far end and faults"
    description = (
        "Runs an emulated SIM7600G-H, or a Quectel EC25, until SIGTERM or Ctrl-C. Prints the folder of its ports and\n"
        "its control socket once both are ready.\n\n"
        "example:\n"
        "  dialtone emulator --dir /tmp/modem --control /tmp/modem/control.sock\n"
        "  picocom --omap crcrlf /tmp/modem/if02        # type AT\n"
        '  echo \'{"jsonrpc":"2.0","id":1,"method":"call.incoming"}\' | nc -UN /tmp/modem/control.sock\n\n'
        "docs/emulator.md describes every control method and fault."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        add = parser.add_argument
        add("--dir", required=True, type=Path, metavar="DIR", help="folder for the links ttyUSB0-4 and if00-if04")
        add("--control", type=Path, metavar="SOCK", help="control socket (default: DIR/control.sock)")
        add("--model", choices=("sim7600", "ec25"), default="sim7600", help="whose commands it has (default: sim7600)")
        add("--seed", type=int, default=1, help="of bursts, noise and garbage (default: 1)")
        crs = parser.add_mutually_exclusive_group()
        doubled = "frame RING, NO CARRIER, +CRING and +RXDTMF with two CRs, as the firmware does (default)"
        crs.add_argument("--double-cr", dest="double_cr", action="store_true", default=True, help=doubled)
        crs.add_argument("--single-cr", dest="double_cr", action="store_false", help="frame them like other lines")
        add("--ok-before-end", action="store_true", help="AT+CHUP answers OK before VOICE CALL: END")
        add("--missed-after-reject", action="store_true", help="a rejected call still prints MISSED_CALL")
        add("--wideband", action="store_true", help="PCM is 16 kHz unless AT+CPCMBANDWIDTH=1,x pins it")
        add("--boot-s", type=float, default=1.0, help="from enumeration to PB DONE after a reset (default: 1)")
        add("--reset-s", type=float, default=1.0, help="gone from the bus after AT+CRESET (default: 1)")
        add(
            "--burst-frames", type=int, default=2, choices=range(1, 6), help="most frames in one USB burst (default: 2)"
        )
        add("--imei", default=IMEI, help="15 digits")
        add("--pin", help="the SIM asks for this PIN at each start")
        add("--cevolte", action="store_true", help="AT+CEVOLTE is known; most firmwares answer ERROR (default)")
        add("--cfun-drops", action="store_true", help="AT+CFUN=0 makes the stick leave the bus and come back")
        add("--own-number", default="", help="what AT+CNUM tells; most SIMs tell nothing")
        add("--sms-me", type=int, default=23, metavar="N", help="messages that the memory ME holds (default: 23)")
        add("--sms-sm", type=int, default=50, metavar="N", help="messages that the SIM holds (default: 50)")
        add("--reports-in-sr", action="store_true", help="stored status reports go to the memory SR, not to mem3")
        add("--drop-type-0", action="store_true", help="messages of type 0 are acknowledged and not shown")
        add("--ussd-packed", action="store_true", help="USSD texts with dcs 15 are packed septets in hexadecimal")
        add("--transcript", type=Path, metavar="FILE", help="append all AT traffic to FILE; it holds phone numbers")
        add("--log-level", default="info", choices=("debug", "info", "warning", "error"))

    def run(self, args: argparse.Namespace) -> int:
        start_logging(args.log_level)
        control = args.control or args.dir / "control.sock"
        if len(os.fsencode(control)) > _SOCKET_PATH_BYTES:
            print(
                f"The control socket's path is over {_SOCKET_PATH_BYTES} bytes; choose a shorter one.", file=sys.stderr
            )
            return 2
        options = Options(
            directory=args.dir.absolute(), control=control.absolute(), seed=args.seed, double_cr=args.double_cr,
            model=args.model,
            ok_before_end=args.ok_before_end, missed_after_reject=args.missed_after_reject, wideband=args.wideband,
            boot_s=max(0.0, args.boot_s), reset_s=max(0.0, args.reset_s), burst_frames=args.burst_frames,
            imei=args.imei, pin=args.pin, own_number=args.own_number, transcript=args.transcript,
            sms_me=max(0, min(255, args.sms_me)), sms_sm=max(0, min(255, args.sms_sm)),
            reports_in_sr=args.reports_in_sr, drop_type_0=args.drop_type_0, ussd_packed=args.ussd_packed,
            cevolte=args.cevolte, cfun_drops=args.cfun_drops,
        )  # fmt: skip
        try:
            asyncio.run(_serve(options))
        except OSError as error:
            print(f"The emulator can't start: {error.strerror}: {error.filename or ''}", file=sys.stderr)
            return 1
        return 0


async def _serve(options: Options) -> None:
    from core.modem.emulator.service import running  # `dialtone --help` wants only our help text

    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    async with running(options):
        print(f"ports {options.directory}", f"control {options.control}", sep="\n", flush=True)
        await stopped.wait()


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m core.modem.emulator", description=COMMAND.description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    COMMAND.add_arguments(parser)
    return COMMAND.run(parser.parse_args(argv))


COMMAND = EmulatorCommand()

if __name__ == "__main__":
    sys.exit(main())
