"""The doors: ``python -m headstart`` does what ``headstart`` does."""

from headstart.cli import main

if __name__ == "__main__":
    main()
