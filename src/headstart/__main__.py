"""Doors: ``python -m headstart`` does what ``headstart`` does."""

from headstart.cli import main

__all__: list[str] = []

if __name__ == "__main__":
    main()
