"""`dialtone core`: the daemon's command line. `python -m core` is the same."""

import argparse
import sys
from pathlib import Path


class CoreCommand:
    """The subcommand as the dialtone command finds it by entry point."""

    help = "run the daemon that owns the phone line"
    description = (
        "Runs the daemon in the foreground until SIGTERM; it hangs up, writes its journal and removes its sockets.\n\n"
        "example:\n  dialtone core --config /etc/dialtone/core.toml\n  dialtone core --config core.toml --check"
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--config", metavar="FILE", type=Path, help="core.toml (default: /etc/dialtone/core.toml)")
        parser.add_argument("--check", action="store_true", help="read the configuration, say what is wrong, and end")
        parser.add_argument("--log-level", choices=("debug", "info", "warning", "error"), help="instead of [log] level")

    def run(self, args: argparse.Namespace) -> int:
        """0 after an orderly stop, 2 for a configuration that can't be used, 1 for anything else."""
        from core import config as configuration
        from core.log import start_logging

        path = args.config or configuration.default_config_path()
        try:
            if args.config is None and not path.exists():
                print(f"dialtone core: {path} does not exist; running without a line", file=sys.stderr)
                config = configuration.parse({}, str(path))
            else:
                config = configuration.load(path)
        except configuration.ConfigError as problem:
            print(f"dialtone core: {problem}", file=sys.stderr)
            return 2
        if socket := getattr(args, "socket", None):
            config = configuration.with_socket(config, socket)
        if args.check:
            print(f"{path}: good", file=sys.stderr)
            return 0
        log = config.log
        start_logging(args.log_level or log.level, json_lines=log.format == "json", personal=log.log_personal_data)
        import asyncio

        from core.daemon import StartError, UnusableConfig, run

        try:
            asyncio.run(run(config))
        except StartError as problem:
            print(f"dialtone core: {problem}", file=sys.stderr)
            return 2 if isinstance(problem, UnusableConfig) else 1
        return 0


COMMAND = CoreCommand()


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="dialtone core",
        description=COMMAND.description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    COMMAND.add_arguments(parser)
    parser.add_argument("--socket", metavar="PATH", help="instead of the path of the first [[rpc.socket]]")
    return COMMAND.run(parser.parse_args())


if __name__ == "__main__":
    sys.exit(main())
