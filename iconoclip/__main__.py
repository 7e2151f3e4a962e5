"""`python -m iconoclip` is the command, where its program is not on the PATH."""

from iconoclip.cli import console

if __name__ == "__main__":
    console()
