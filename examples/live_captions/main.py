"""Starts the app on a real TEN runtime (see bin/start).

The stand-in host needs no main program: `make demo` in the repository's
root runs the same directory.
"""

from ten_runtime import App


def main() -> None:
    """Run until the captions extension closes the app."""
    App().run(False)


if __name__ == "__main__":
    main()
