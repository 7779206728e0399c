"""Starts the app on a real TEN runtime (see bin/start).

`make demo` in the repository's root runs the same directory without it, on
TEN or on the stand-in.
"""

from ten_runtime import App


def main() -> None:
    """Run until the captions extension closes the app."""
    App().run(False)


if __name__ == "__main__":
    main()
